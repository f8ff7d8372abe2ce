// What stands in a SavedModel: its signatures, and the model's function as one flat graph with its PyTorch origins.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"
#include "savedmodel/saved_model.pb.h"

namespace crossload::savedmodel {

/// A tensor of the main graph, `serving_default_input_ids:0`.
struct Port {
  std::string tensor;
  DType dtype = DType::kFloat32;
  std::optional<std::vector<int64_t>> dims;  // as the signature says; -1 for an axis of any size, nothing for any rank

  /// Whether the signature lets a tensor of this shape in.
  bool takes(const std::vector<int64_t>& shape) const;
  /// `[?, 7]`
  std::string shape_text() const;
};

struct Signature {
  std::map<std::string, Port> inputs;
  std::map<std::string, Port> outputs;
};

/// Output `output` of node `node`; -1 for a control edge.
struct Edge {
  int node = -1;
  int output = 0;
  friend auto operator<=>(const Edge&, const Edge&) = default;
};

struct FlowNode {
  tf::NodeDef def;  // its inputs stand in `inputs` only
  std::vector<Edge> inputs;
};

/// The artefact's claim that a value is a PyTorch value. To be checked before it is trusted.
struct PtClaim {
  Edge value;
  std::string pt_value;
  std::vector<int> perm;  // axis i of the TensorFlow value is axis perm[i] of the PyTorch value; empty: same order
  std::optional<std::string> module = {};  // that makes the PyTorch value; nothing in artefacts that do not say it
  int order = 0;                           // place of the node in the function, which is the order of the program
};

/// The graph behind one signature, with the model's function inlined. A node follows its inputs.
struct Flow {
  std::vector<FlowNode> nodes;
  std::vector<PtClaim> claims;
  std::map<std::string, Port> inputs;   // placeholders
  std::map<std::string, Edge> outputs;  // by the signature's names
  std::string restore;                  // the operation that fills the variables; empty when there are none
  /// Tensors to feed when `restore` is run, see verify/variables.h; without any it reads the variables' file.
  std::vector<std::pair<std::string, Tensor>> variables = {};
  int body_begin = 0;              // nodes from here on are the function's, those before it the main graph's
  tf::FunctionDefLibrary library;  // functions that nodes call: branches and loop bodies
};

/// What the restore operation gives a variable: a tensor of the graph, and its key in the variables' file.
struct Restored {
  std::string tensor;
  std::string key;
};

class Artefact {
 public:
  /// Reads `saved_model.pb`. Throws `kBadInput` when it is missing, damaged, or has no graph.
  explicit Artefact(const std::filesystem::path& folder);

  /// Throws `kBadInput` with the names there are.
  Signature signature(const std::string& name) const;
  bool has_signature(const std::string& name) const;
  /// Throws `kBadInput` when the graph is not of the form that crossload writes.
  Flow flow(const std::string& signature) const;

  const std::filesystem::path& folder() const { return folder_; }
  /// The operation that fills the variables; empty when there are none.
  std::string restore() const { return meta_.saver_def().restore_op_name(); }
  /// All that it reads from the file; nothing where it is not of the form that crossload and TensorFlow write.
  std::vector<Restored> restored() const;

 private:
  std::filesystem::path folder_;
  tf::MetaGraphDef meta_;
};

/// `node:0` of the flow.
std::string tensor_name(const Flow& flow, const Edge& edge);

/// The nodes of the flow and those added, as a GraphDef that TensorFlow imports.
std::string serialize(const Flow& flow, std::vector<tf::NodeDef> added);

}  // namespace crossload::savedmodel
