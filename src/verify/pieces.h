// Pieces of a SavedModel's graph, cut out at values that PyTorch made.
//
// A piece computes some values (one operation's results, or a module's outputs) from values that PyTorch made outside
// it: walking back from the values wanted, each input that is known to be a PyTorch value from outside becomes a
// placeholder, and the nodes in between are copied. Nodes that hold no known value simply belong to the piece that
// needs them, and nodes that depend on no placeholder are shared.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/runtime.h"
#include "savedmodel/artefact.h"
#include "verify/verify.h"

namespace crossload::verify {

/// A claim that fits, and what was measured with it.
struct KnownValue {
  savedmodel::Edge value;
  std::string pt_value;
  std::vector<int> perm;
  int order = -1;  // the node that makes the PyTorch value
  double accumulated = 0;
  double tf_truth = kUnknown;  // of the accumulated value
  double isolated = kUnknown;
};

/// Copies parts of a flow with placeholders at their boundaries.
class Pieces {
 public:
  /// Which known value stands for an edge at a piece's boundary, with its dtype; null for an edge inside the piece.
  using Cut = std::function<std::pair<const KnownValue*, DType>(const savedmodel::Edge&)>;

  explicit Pieces(const savedmodel::Flow& flow) : flow_(flow) {}

  /// A copied or shared node: its name, and the placeholders that it depends on.
  struct Piece {
    std::string tensor;
    std::set<int> placeholders;
  };

  /// Equal `name`: the pieces share copies, and must cut alike.
  Piece value(const std::string& name, const savedmodel::Edge& wanted, const Cut& cut);

  std::string graph() && { return serialize(flow_, std::move(added_)); }
  const KnownValue& known_value(int placeholder) const { return *placeholders_[static_cast<std::size_t>(placeholder)]; }
  static std::string placeholder_name(int placeholder) { return fmt::format("pytorch/{}", placeholder); }

 private:
  struct Copy {
    std::string name;
    bool is_shared = true;
    std::set<int> placeholders;
  };

  int placeholder_for(const KnownValue* known, DType dtype);

  void copy(const std::string& name, int root, std::map<int, Copy>& copies, const Cut& cut);

  Copy make_copy(const std::string& name, const savedmodel::FlowNode& from, const std::map<int, Copy>& copies,
                 const Cut& cut);

  const savedmodel::Flow& flow_;
  std::map<std::string, std::map<int, Copy>> copies_;
  std::map<const KnownValue*, int> placeholder_of_;
  std::vector<const KnownValue*> placeholders_;
  std::vector<tf::NodeDef> added_;
};

/// What is needed for some tensors of a graph, with placeholders in place of reads of variables.
struct Pruned {
  std::string graph;            // a serialized GraphDef
  std::set<std::string> nodes;  // their names
  std::set<std::string> reads;  // the tensors that were read from variables
};
Pruned pruned(const std::string& serialized, const std::set<std::string>& tensors);

/// A session with the flow's variables for a graph of its nodes, in which TensorFlow does not fuse across values that
/// are fed or fetched.
runtime::Session unfused_session(const runtime::Runtime& runtime, const savedmodel::Flow& flow,
                                 const std::string& graph);

}  // namespace crossload::verify
