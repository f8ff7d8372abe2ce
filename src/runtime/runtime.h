// Runs TensorFlow graphs and SavedModels through TensorFlow's C API, loaded at run time and only when asked for.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/tensor.h"

namespace crossload::runtime {

struct SessionOptions {
  std::string config_proto;  // a serialized tensorflow.ConfigProto, put before the two below
  int intra_op_threads = 0;  // 0: as many as there are cores; else the session has threads of its own
  int inter_op_threads = 0;
  bool may_fuse = true;  // let TensorFlow merge operations; a value that is fetched may then be gone
};

/// A loaded graph with its variables. Copies share it; `run` may be called from several threads. Tensor names are
/// TensorFlow's, `serving_default_input_ids:0`; without a number output 0 is meant.
class Session {
 public:
  using Feeds = std::vector<std::pair<std::string, Tensor>>;

  /// The values of `fetches` under the names given, computed with `feeds` in place of the tensors of those names, after
  /// the operations `targets` have run. Fed bytes are not copied when they are aligned to 64; results keep TensorFlow's
  /// memory alive and are not copied either. A fetch that is fed comes back as it was fed. Throws `kInternal` with
  /// TensorFlow's own words.
  std::map<std::string, Tensor> run(const Feeds& feeds, const std::vector<std::string>& fetches,
                                    const std::vector<std::string>& targets = {}) const;

  /// Whether the graph holds this tensor.
  bool has(const std::string& tensor) const;
  /// Its element type; nothing for strings, resources and other types that Tensor has not. Throws `kInternal` when the
  /// graph does not hold the tensor.
  std::optional<DType> dtype_of(const std::string& tensor) const;

 private:
  friend class Runtime;
  struct Loaded;
  explicit Session(std::shared_ptr<const Loaded> loaded) : loaded_(std::move(loaded)) {}

  std::shared_ptr<const Loaded> loaded_;
};

class Runtime : public std::enable_shared_from_this<Runtime> {
 public:
  /// Loads TensorFlow from the folder of its Python package, once a process and folder. An empty folder means
  /// `$CROSSLOAD_TENSORFLOW`. Throws `kEnvironment` with the folder searched and how to install TensorFlow.
  static std::shared_ptr<Runtime> load(const std::filesystem::path& package);
  ~Runtime();

  /// `2.21.0`
  std::string version() const;

  /// The SavedModel in `folder` (the one that holds `saved_model.pb`) with its variables restored. Throws `kBadInput`
  /// when the file is missing, `kInternal` with TensorFlow's words when it does not load.
  Session load_saved_model(const std::filesystem::path& folder, const SessionOptions& options = {},
                           const std::string& tag = "serve") const;
  /// A session of a serialized GraphDef.
  Session import_graph(std::string_view graph_def, const SessionOptions& options = {}) const;

 private:
  struct Api;
  friend class Session;
  explicit Runtime(std::unique_ptr<const Api> api);

  std::unique_ptr<const Api> api_;
};

/// The folder of the package `tensorflow` that this Python interpreter (a path, or a name on $PATH) would import, by
/// looking at the folders beside it and without starting it. Throws `kEnvironment` naming the folders searched.
std::filesystem::path find_tensorflow_package(const std::filesystem::path& python);

}  // namespace crossload::runtime
