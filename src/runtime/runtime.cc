#include "runtime/runtime.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>

#include "base/error.h"
#include "graph/tf_dtypes.h"
#include "runtime/tensorflow_api.h"

namespace crossload::runtime {
namespace fs = std::filesystem;
namespace {

/// A status for one call, and the error that it holds afterwards.
class Status {
 public:
  explicit Status(const TensorFlowApi& api) : api_(api), status_(api.TF_NewStatus()) {}
  ~Status() { api_.TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;

  TF_Status* get() const { return status_; }
  void check(const std::string& where) const {
    if (api_.TF_GetCode(status_) != 0) internal_error("{}: TensorFlow says: {}", where, api_.TF_Message(status_));
  }

 private:
  const TensorFlowApi& api_;
  TF_Status* status_;
};

void append_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

/// ConfigProto: intra_op_parallelism_threads = 2, inter_op_parallelism_threads = 5, use_per_session_threads = 9,
/// graph_options = 10 { rewrite_options = 10 { remapping = 14: OFF (2) } }.
std::string config_bytes(const SessionOptions& options) {
  std::string bytes = options.config_proto;
  const auto add = [&](int field, int value) {
    if (value <= 0) return;
    append_varint(bytes, static_cast<uint64_t>(field) << 3);
    append_varint(bytes, static_cast<uint64_t>(value));
  };
  add(2, options.intra_op_threads);
  add(5, options.inter_op_threads);
  add(9, options.intra_op_threads > 0 || options.inter_op_threads > 0 ? 1 : 0);
  if (!options.may_fuse) bytes += "\x52\x04\x52\x02\x70\x02";
  return bytes;
}

/// `name:2` as name and 2.
std::pair<std::string, int> split_name(const std::string& tensor) {
  const std::size_t colon = tensor.rfind(':');
  if (colon == std::string::npos) return {tensor, 0};
  int index = -1;
  const char* end = tensor.data() + tensor.size();
  const auto [stop, error] = std::from_chars(tensor.data() + colon + 1, end, index);
  if (error != std::errc() || stop != end || index < 0) {
    internal_error("tensor name `{}`: no number after the colon; names look like `serving_default_x:0`", tensor);
  }
  return {tensor.substr(0, colon), index};
}

}  // namespace

struct Runtime::Api : TensorFlowApi {};

struct Session::Loaded {
  explicit Loaded(std::shared_ptr<const Runtime> from)
      : runtime(std::move(from)), api(*runtime->api_), graph(api.TF_NewGraph()) {}
  ~Loaded() {
    Status ignored(api);
    if (session) {
      api.TF_CloseSession(session, ignored.get());
      api.TF_DeleteSession(session, ignored.get());
    }
    api.TF_DeleteGraph(graph);
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  TF_Operation* find(const std::string& operation) const {
    return api.TF_GraphOperationByName(graph, operation.c_str());
  }
  TF_Operation* operation(const std::string& name) const {
    TF_Operation* found = find(name);
    if (!found) internal_error("{}: no operation `{}` in the graph", where, name);
    return found;
  }
  TfOutput output(const std::string& tensor) const {
    const auto [name, index] = split_name(tensor);
    TF_Operation* found = operation(name);
    const int count = api.TF_OperationNumOutputs(found);
    if (index >= count) internal_error("{}: `{}` has {} outputs; `{}` is none of them", where, name, count, tensor);
    return {found, index};
  }

  /// A TensorFlow tensor over the same bytes, which keeps their owner alive.
  TF_Tensor* fed(const std::string& name, const Tensor& tensor) const {
    using Owner = std::shared_ptr<const void>;
    static std::byte nothing;  // for a tensor without elements, whose data may be null
    const auto bytes = tensor.bytes();
    void* data = bytes.empty() ? &nothing : const_cast<std::byte*>(bytes.data());  // TensorFlow only reads it
    const auto release = [](void*, std::size_t, void* owner) { delete static_cast<Owner*>(owner); };
    TF_Tensor* result = api.TF_NewTensor(graph::tf_number_of(tensor.dtype()), tensor.dims().data(),
                                         static_cast<int>(tensor.dims().size()), data, bytes.size(), release,
                                         new Owner(tensor.owner()));
    if (!result) {
      internal_error("feed `{}`: {} bytes do not make {}{}", name, bytes.size(), name_of(tensor.dtype()),
                     to_string(tensor.dims()));
    }
    return result;
  }

  /// The tensor's bytes in place; takes it over.
  Tensor fetched(const std::string& name, TF_Tensor* tensor) const {
    const auto keep = runtime;
    const std::shared_ptr<TF_Tensor> owner(tensor, [keep](TF_Tensor* t) { keep->api_->TF_DeleteTensor(t); });
    const int number = api.TF_TensorType(tensor);
    const auto dtype = graph::dtype_from_tf_number(number);
    if (!dtype) internal_error("fetch `{}`: TensorFlow's type {} (string, resource, …) is not supported", name, number);
    Dims dims(static_cast<std::size_t>(api.TF_NumDims(tensor)));
    for (std::size_t i = 0; i < dims.size(); ++i) dims[i] = api.TF_Dim(tensor, static_cast<int>(i));
    const auto* data = static_cast<const std::byte*>(api.TF_TensorData(tensor));
    return Tensor(*dtype, std::move(dims), {data, api.TF_TensorByteSize(tensor)}, owner);
  }

  std::shared_ptr<const Runtime> runtime;
  const TensorFlowApi& api;
  TF_Graph* graph;
  TF_Session* session = nullptr;
  std::string where;
};

std::map<std::string, Tensor> Session::run(const Feeds& feeds, const std::vector<std::string>& fetches,
                                           const std::vector<std::string>& targets) const {
  const TensorFlowApi& api = loaded_->api;
  const auto destroy = [&api](TF_Tensor* tensor) { api.TF_DeleteTensor(tensor); };
  using Owned = std::unique_ptr<TF_Tensor, decltype(destroy)>;

  std::vector<TfOutput> inputs;
  std::vector<Owned> owned;
  std::vector<TF_Tensor*> input_values;
  for (const auto& [name, tensor] : feeds) {
    inputs.push_back(loaded_->output(name));
    owned.emplace_back(loaded_->fed(name, tensor), destroy);
    input_values.push_back(owned.back().get());
  }
  std::map<std::string, Tensor> named;
  std::vector<std::string> computed;
  std::vector<TfOutput> outputs;
  for (const std::string& name : fetches) {
    const TfOutput output = loaded_->output(name);
    const auto is_it = [&](const TfOutput& fed) {
      return fed.operation == output.operation && fed.index == output.index;
    };
    // TensorFlow refuses to fetch what it was fed.
    if (const auto fed = std::ranges::find_if(inputs, is_it); fed != inputs.end()) {
      named[name] = feeds[static_cast<std::size_t>(fed - inputs.begin())].second;
    } else {
      computed.push_back(name);
      outputs.push_back(output);
    }
  }
  std::vector<const TF_Operation*> operations;
  for (const std::string& name : targets) operations.push_back(loaded_->operation(name));
  if (outputs.empty() && operations.empty()) return named;

  std::vector<TF_Tensor*> values(outputs.size(), nullptr);
  const Status status(api);
  api.TF_SessionRun(loaded_->session, nullptr, inputs.data(), input_values.data(), static_cast<int>(inputs.size()),
                    outputs.data(), values.data(), static_cast<int>(outputs.size()), operations.data(),
                    static_cast<int>(operations.size()), nullptr, status.get());
  std::vector<Owned> results;
  for (TF_Tensor* value : values) results.emplace_back(value, destroy);
  status.check(loaded_->where);
  for (std::size_t i = 0; i < computed.size(); ++i) {
    named[computed[i]] = loaded_->fetched(computed[i], results[i].release());
  }
  return named;
}

bool Session::has(const std::string& tensor) const {
  const auto [name, index] = split_name(tensor);
  TF_Operation* found = loaded_->find(name);
  return found && index < loaded_->api.TF_OperationNumOutputs(found);
}

std::optional<DType> Session::dtype_of(const std::string& tensor) const {
  return graph::dtype_from_tf_number(loaded_->api.TF_OperationOutputType(loaded_->output(tensor)));
}

Runtime::Runtime(std::unique_ptr<const Api> api) : api_(std::move(api)) {}
Runtime::~Runtime() = default;

std::shared_ptr<Runtime> Runtime::load(const fs::path& package) {
  static std::mutex mutex;
  static std::map<fs::path, std::shared_ptr<Runtime>> loaded;
  const char* variable = std::getenv("CROSSLOAD_TENSORFLOW");
  const fs::path folder = package.empty() && variable ? fs::path(variable) : package;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Runtime>& runtime = loaded[folder];
  if (!runtime) runtime.reset(new Runtime(std::make_unique<const Api>(Api{load_tensorflow_api(folder)})));
  return runtime;
}

std::string Runtime::version() const { return api_->TF_Version(); }

Session Runtime::load_saved_model(const fs::path& folder, const SessionOptions& options, const std::string& tag) const {
  if (!fs::exists(folder / "saved_model.pb")) bad_input("{}: no `saved_model.pb` in this folder", folder.string());
  const auto loaded = std::make_shared<Session::Loaded>(shared_from_this());
  loaded->where = folder.string();
  const std::unique_ptr<TF_SessionOptions, void (*)(TF_SessionOptions*)> settings(api_->TF_NewSessionOptions(),
                                                                                  api_->TF_DeleteSessionOptions);
  const Status status(*api_);
  const std::string config = config_bytes(options);
  api_->TF_SetConfig(settings.get(), config.data(), config.size(), status.get());
  status.check("session options");
  const char* tags[] = {tag.c_str()};
  loaded->session = api_->TF_LoadSessionFromSavedModel(settings.get(), nullptr, folder.c_str(), tags, 1, loaded->graph,
                                                       nullptr, status.get());
  status.check(folder.string());
  return Session(loaded);
}

Session Runtime::import_graph(std::string_view graph_def, const SessionOptions& options) const {
  const auto loaded = std::make_shared<Session::Loaded>(shared_from_this());
  loaded->where = "graph";
  const std::unique_ptr<TF_ImportGraphDefOptions, void (*)(TF_ImportGraphDefOptions*)> import_options(
      api_->TF_NewImportGraphDefOptions(), api_->TF_DeleteImportGraphDefOptions);
  const TfBuffer buffer{graph_def.data(), graph_def.size(), nullptr};
  const Status status(*api_);
  api_->TF_GraphImportGraphDef(loaded->graph, &buffer, import_options.get(), status.get());
  status.check("import of the graph");
  const std::unique_ptr<TF_SessionOptions, void (*)(TF_SessionOptions*)> settings(api_->TF_NewSessionOptions(),
                                                                                  api_->TF_DeleteSessionOptions);
  const std::string config = config_bytes(options);
  api_->TF_SetConfig(settings.get(), config.data(), config.size(), status.get());
  status.check("session options");
  loaded->session = api_->TF_NewSession(loaded->graph, settings.get(), status.get());
  status.check("session");
  return Session(loaded);
}

fs::path find_tensorflow_package(const fs::path& python) {
  std::error_code ignored;
  fs::path interpreter = python;
  if (!python.has_parent_path()) {  // a bare name: as a shell would find it
    const char* variable = std::getenv("PATH");
    std::string_view rest = variable ? variable : "";
    while (!rest.empty() && !interpreter.has_parent_path()) {
      const std::size_t end = std::min(rest.find(':'), rest.size());
      const fs::path candidate = fs::path(rest.substr(0, end)) / python;
      if (fs::exists(candidate, ignored)) interpreter = candidate;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  // An environment's interpreter is a link into another installation; the environment's own folders come first.
  std::vector<fs::path> prefixes;
  for (const fs::path& path : {interpreter, fs::weakly_canonical(interpreter, ignored)}) {
    const fs::path prefix = fs::absolute(path, ignored).lexically_normal().parent_path().parent_path();
    if (std::ranges::find(prefixes, prefix) == prefixes.end()) prefixes.push_back(prefix);
  }
  if (const char* home = std::getenv("HOME")) prefixes.push_back(fs::path(home) / ".local");

  std::vector<std::string> searched;
  for (const fs::path& prefix : prefixes) {
    std::vector<fs::path> found;
    for (const char* lib : {"lib", "lib64"}) {
      for (const auto& entry : fs::directory_iterator(prefix / lib, ignored)) {
        if (!entry.path().filename().string().starts_with("python3")) continue;
        for (const char* packages : {"site-packages", "dist-packages"}) {
          const fs::path package = entry.path() / packages / "tensorflow";
          if (fs::exists(package.parent_path(), ignored)) searched.push_back(package.string());
          if (fs::exists(package / "libtensorflow_cc.so.2", ignored)) found.push_back(package);
        }
      }
    }
    if (!found.empty()) return *std::ranges::max_element(found);
  }
  throw Error(ErrorKind::kEnvironment,
              fmt::format("{}: no TensorFlow in the {} package folders of this interpreter; {} -m pip install "
                          "tensorflow-cpu==2.21.0",
                          python.string(), searched.size(), python.string()),
              searched);
}

}  // namespace crossload::runtime
