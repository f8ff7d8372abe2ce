// A SavedModel is a folder:
//   saved_model.pb                        SavedModel: one MetaGraphDef, tag `serve`
//   variables/variables.index             the weights, see tensor_bundle.cc
//   variables/variables.data-00000-of-00001
//
// The MetaGraphDef holds
//   graph_def.library   `forward`, the model itself, and thin wrappers of it for Python
//   graph_def.node      what TF1's loader, the C API and TF Serving run: a handle a variable, nodes to restore and
//                       save, and for each signature its placeholders and one call. The call is of `forward`
//                       itself: through a wrapper the first run takes three to four times as long.
//   signature_def       names of the placeholders and of the call's outputs
//   saver_def           names of the restore and save nodes
//   object_graph_def    what Python builds, see object_graph.cc
#include "savedmodel/saved_model.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <set>

#include "base/error.h"
#include "savedmodel/function_def.h"
#include "savedmodel/messages.h"
#include "savedmodel/object_graph.h"
#include "savedmodel/saved_model.pb.h"
#include "savedmodel/tensor_bundle.h"

namespace crossload::savedmodel {
namespace {

namespace fs = std::filesystem;

// TensorFlow's graph version at which every operation in use has its present meaning, and the oldest reader.
constexpr int kProducer = 1087;
constexpr int kMinConsumer = 12;
// Protobuf's limit is 2 GiB - 1; TensorFlow 2.21 reads 2147289215 bytes and refuses 2147490215 (tried).
constexpr std::size_t kMaxMessage = 2147000000;
constexpr const char* kTensorFlow = "2.21.0";

/// The sources of all variables, checked against what the graph declares.
std::vector<Tensor> load_sources(const graph::Graph& graph, const WeightSource& weights) {
  std::vector<Tensor> sources;
  std::vector<std::string> problems;
  std::set<std::string> names;
  for (const graph::Variable& v : graph.variables) {
    if (!names.insert(v.name).second) internal_error("saved model: two variables are named `{}`", v.name);
    Tensor tensor = weights.tensor(v.source);
    Dims expected(v.dims);
    for (std::size_t i = 0; i < v.perm.size(); ++i) expected.at(static_cast<std::size_t>(v.perm[i])) = v.dims.at(i);
    if (tensor.dtype() != v.dtype || tensor.dims() != expected) {
      problems.push_back(fmt::format("weights: tensor `{}` is {} {}; variable `{}` needs {} {}", v.source,
                                     name_of(tensor.dtype()), to_string(tensor.dims()), v.name, name_of(v.dtype),
                                     to_string(expected)));
    }
    sources.push_back(std::move(tensor));
  }
  if (problems.size() == 1) throw Error(ErrorKind::kBadInput, problems.front());
  if (!problems.empty()) {
    const std::string message = fmt::format("{}; {} more do not fit either", problems.front(), problems.size() - 1);
    throw Error(ErrorKind::kBadInput, message, std::move(problems));
  }
  return sources;
}

class FrozenWeights : public ConstantSource {
 public:
  FrozenWeights(const std::vector<graph::Variable>& variables, const std::vector<Tensor>& sources)
      : variables_(variables), sources_(sources) {}
  std::optional<Tensor> constant(int index) const override {
    const auto i = static_cast<std::size_t>(index);
    return StridedTensor(sources_.at(i)).permuted(variables_.at(i).perm).to_tensor();
  }

 private:
  const std::vector<graph::Variable>& variables_;
  const std::vector<Tensor>& sources_;
};

tf::TensorProto string_tensor(const std::vector<std::string>& texts) {
  tf::TensorProto tensor;
  tensor.set_dtype(tf::DT_STRING);
  tensor.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(texts.size()));
  for (const std::string& text : texts) tensor.add_string_val(text);
  return tensor;
}

/// Adds the nodes outside of any function.
class MainGraph {
 public:
  MainGraph(tf::MetaGraphDef& meta, const std::vector<graph::Variable>& variables)
      : meta_(meta), graph_(*meta.mutable_graph_def()), variables_(variables) {}

  void add_variables() {
    for (const graph::Variable& variable : variables_) {
      tf::NodeDef& node = add_node(node_name(variable.name), "VarHandleOp");
      set(node, "dtype", type_attr(to_tf(variable.dtype)));
      set(node, "shape", shape_attr(to_tf(variable.dims)));
      tf::AttrValue shared_name;  // handles without one would all be the same variable
      shared_name.set_s(node.name());
      set(node, "shared_name", shared_name);
      handles_.push_back(node.name());
    }
  }

  /// Without variables there is nothing to restore, and RestoreV2 takes at least one tensor.
  void add_saver() {
    if (variables_.empty()) return;
    const std::string filename = add_placeholder("saver_filename", tf::DT_STRING, {});
    std::vector<std::string> keys;
    tf::AttrValue dtypes;
    for (const graph::Variable& variable : variables_) {
      keys.push_back(checkpoint_key(variable));
      dtypes.mutable_list()->add_type(to_tf(variable.dtype));
    }
    const std::string names = add_strings("save/tensor_names", keys);
    const std::string slices = add_strings("save/shape_and_slices", std::vector<std::string>(keys.size()));

    tf::NodeDef& save = add_node("save/SaveV2", "SaveV2");
    set(save, "dtypes", dtypes);
    for (const std::string& input : {filename, names, slices}) save.add_input(input);
    for (std::size_t i = 0; i < handles_.size(); ++i) {
      tf::NodeDef& read = add_node(fmt::format("save/Read_{}", i), "ReadVariableOp");
      set(read, "dtype", type_attr(to_tf(variables_[i].dtype)));
      read.add_input(handles_[i]);
      save.add_input(read.name());
    }
    tf::NodeDef& saved = add_node("save/control_dependency", "Identity");
    set(saved, "T", type_attr(tf::DT_STRING));
    saved.add_input(filename);
    saved.add_input("^" + save.name());

    tf::NodeDef& restore = add_node("save/RestoreV2", "RestoreV2");
    set(restore, "dtypes", dtypes);
    for (const std::string& input : {filename, names, slices}) restore.add_input(input);
    tf::NodeDef& all = add_node("save/restore_all", "NoOp");
    for (std::size_t i = 0; i < handles_.size(); ++i) {
      tf::NodeDef& assign = add_node(fmt::format("save/Assign_{}", i), "AssignVariableOp");
      set(assign, "dtype", type_attr(to_tf(variables_[i].dtype)));
      assign.add_input(handles_[i]);
      assign.add_input(fmt::format("{}:{}", restore.name(), i));
      all.add_input("^" + assign.name());
    }

    tf::SaverDef& saver = *meta_.mutable_saver_def();
    saver.set_filename_tensor_name(filename + ":0");
    saver.set_save_tensor_name(saved.name() + ":0");
    saver.set_restore_op_name(all.name());
    saver.set_version(tf::SaverDef::V2);
  }

  void add_signature(const std::string& name, const Function& forward, bool narrow_integers) {
    tf::SignatureDef& signature = (*meta_.mutable_signature_def())[name];
    signature.set_method_name("tensorflow/serving/predict");
    std::vector<std::string> values;
    for (const Port& input : forward.inputs) {
      const bool narrow = narrow_integers && input.dtype == tf::DT_INT64;
      const tf::DataType type = narrow ? tf::DT_INT32 : input.dtype;
      const std::string placeholder = add_placeholder(node_name(name + "_" + input.name), type, input.shape);
      (*signature.mutable_inputs())[input.name] = info(placeholder + ":0", type, input.shape);
      if (narrow) {
        tf::NodeDef& cast = *graph_.add_node();
        cast = cast_node(names_.unique(placeholder + "/Cast"), placeholder);
        values.push_back(cast.name());
      } else {
        values.push_back(placeholder);
      }
    }
    tf::NodeDef& call = *graph_.add_node();
    call = call_node(names_.unique("StatefulPartitionedCall"), forward, variables_.size());
    for (const std::string& value : values) call.add_input(value);
    for (const std::string& handle : handles_) call.add_input(handle);
    for (std::size_t i = 0; i < forward.outputs.size(); ++i) {
      const Port& output = forward.outputs[i];
      (*signature.mutable_outputs())[output.name] =
          info(fmt::format("{}:{}", call.name(), i), output.dtype, output.shape);
    }
  }

 private:
  tf::NodeDef& add_node(const std::string& name, const char* op) {
    tf::NodeDef& node = *graph_.add_node();
    node.set_name(names_.unique(name));
    node.set_op(op);
    return node;
  }

  static void set(tf::NodeDef& node, const char* name, const tf::AttrValue& value) {
    (*node.mutable_attr())[name] = value;
  }

  std::string add_placeholder(const std::string& name, tf::DataType type, const tf::TensorShapeProto& shape) {
    tf::NodeDef& node = add_node(name, "Placeholder");
    set(node, "dtype", type_attr(type));
    set(node, "shape", shape_attr(shape));
    return node.name();
  }

  std::string add_strings(const std::string& name, const std::vector<std::string>& texts) {
    tf::NodeDef& node = add_node(name, "Const");
    set(node, "dtype", type_attr(tf::DT_STRING));
    *(*node.mutable_attr())["value"].mutable_tensor() = string_tensor(texts);
    return node.name();
  }

  static tf::TensorInfo info(const std::string& tensor, tf::DataType type, const tf::TensorShapeProto& shape) {
    tf::TensorInfo result;
    result.set_name(tensor);
    result.set_dtype(type);
    *result.mutable_tensor_shape() = shape;
    return result;
  }

  tf::MetaGraphDef& meta_;
  tf::GraphDef& graph_;
  const std::vector<graph::Variable>& variables_;
  Namer names_;
  std::vector<std::string> handles_;
};

/// Adds `forward` and its wrappers, and the nodes and objects that refer to them.
void fill(tf::MetaGraphDef& meta, const graph::Graph& graph, const std::vector<graph::Variable>& variables,
          const ConstantSource* constants, bool jit) {
  FunctionLibrary library(*meta.mutable_graph_def()->mutable_library());
  const Function forward = library.add_forward(graph, "forward", constants, jit);

  std::vector<int> as_given(forward.inputs.size());
  std::iota(as_given.begin(), as_given.end(), 0);
  std::vector<int> by_name = as_given;
  std::sort(by_name.begin(), by_name.end(), [&](int a, int b) {
    return forward.inputs[static_cast<std::size_t>(a)].name < forward.inputs[static_cast<std::size_t>(b)].name;
  });
  const bool has_int64 = std::any_of(forward.inputs.begin(), forward.inputs.end(),
                                     [](const Port& port) { return port.dtype == tf::DT_INT64; });
  const auto wrap = [&](const char* name, const std::vector<int>& order, bool narrow) {
    return library.add_wrapper(name, forward, variables, order, narrow);
  };
  ObjectGraphParts parts{variables, {forward}, {}, {}};
  parts.signatures.emplace_back("int64_serving", wrap("int64_serving", by_name, false));
  parts.serves.push_back(wrap("serve", by_name, false));
  if (has_int64) {
    parts.calls.push_back(wrap("forward_int32", as_given, true));
    parts.serves.push_back(wrap("serve_int32", by_name, true));
  }
  parts.signatures.emplace_back("serving_default", wrap("serving_default", by_name, true));
  *meta.mutable_object_graph_def() = make_object_graph(parts);

  MainGraph main(meta, variables);
  main.add_variables();
  main.add_saver();
  main.add_signature("serving_default", forward, true);
  main.add_signature("int64_serving", forward, false);
}

void write_message(const tf::SavedModel& message, const fs::path& path) {
  if (const std::size_t size = message.ByteSizeLong(); size > kMaxMessage) {
    bad_input("{}: the graph has {} bytes, TensorFlow reads at most {}; keep the weights out of it (no --frozen)",
              path.string(), size, kMaxMessage);
  }
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; choose another path", path.string(), std::strerror(errno));
  }
  google::protobuf::io::FileOutputStream file(fd);
  bool good = false;
  {
    google::protobuf::io::CodedOutputStream coded(&file);
    coded.SetSerializationDeterministic(true);  // maps in the order of their keys: equal input, equal bytes
    good = message.SerializeToCodedStream(&coded);
  }
  good = file.Close() && good;
  if (!good) {
    fail(ErrorKind::kEnvironment, "{}: cannot be written: {}; check the disk", path.string(),
         std::strerror(file.GetErrno()));
  }
}

}  // namespace

Written write(const graph::Graph& graph, const WeightSource& weights, const fs::path& folder, const Options& options,
              const std::function<void(std::size_t bytes_done)>& progress) {
  std::vector<Tensor> sources = load_sources(graph, weights);
  Written written;
  for (const Tensor& source : sources) written.weight_bytes += source.bytes().size();
  if (options.frozen && written.weight_bytes > kMaxMessage) {
    bad_input("{}: the weights have {} bytes, a frozen graph holds at most {}; convert without --frozen",
              folder.string(), written.weight_bytes, kMaxMessage);
  }
  const FrozenWeights frozen(graph.variables, sources);
  const std::vector<graph::Variable> no_variables;
  const std::vector<graph::Variable>& variables = options.frozen ? no_variables : graph.variables;
  written.variable_count = variables.size();

  std::error_code error;
  fs::create_directories(folder / "variables", error);
  if (error) {
    fail(ErrorKind::kEnvironment, "{}: cannot be made: {}; choose another path", (folder / "variables").string(),
         error.message());
  }
  {
    tf::SavedModel message;
    message.set_saved_model_schema_version(1);
    tf::MetaGraphDef& meta = *message.add_meta_graphs();
    meta.mutable_meta_info_def()->add_tags("serve");
    meta.mutable_meta_info_def()->set_tensorflow_version(kTensorFlow);
    meta.mutable_graph_def()->mutable_versions()->set_producer(kProducer);
    meta.mutable_graph_def()->mutable_versions()->set_min_consumer(kMinConsumer);
    fill(meta, graph, variables, options.frozen ? &frozen : nullptr, options.jit);
    write_message(message, folder / "saved_model.pb");
  }

  std::vector<BundleTensor> tensors;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    tensors.push_back({checkpoint_key(variables[i]), std::move(sources[i]), variables[i].perm});
  }
  // Python's loader asks for the checkpoint also when there is no variable in it.
  write_tensor_bundle(folder / "variables" / "variables", std::move(tensors),
                      {{"_CHECKPOINTABLE_OBJECT_GRAPH", make_checkpoint_graph(variables).SerializeAsString()}},
                      options.frozen ? nullptr : progress);
  if (options.frozen && progress) progress(written.weight_bytes);
  return written;
}

}  // namespace crossload::savedmodel
