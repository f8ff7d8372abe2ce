#include "verify/variables.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "graph/tf_dtypes.h"
#include "savedmodel/tensor_bundle.h"

namespace crossload::verify {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBytesAtOnce = 64 << 20;  // that TensorFlow reads while it is checked, or one tensor

fs::path prefix_in(const fs::path& saved_model) { return saved_model / "variables" / "variables"; }

void add_strings(tf::GraphDef& graph, const std::string& name, const std::vector<std::string>& texts, bool scalar) {
  tf::NodeDef& node = *graph.add_node();
  node.set_name(name);
  node.set_op("Const");
  (*node.mutable_attr())["dtype"].set_type(tf::DT_STRING);
  tf::TensorProto& value = *(*node.mutable_attr())["value"].mutable_tensor();
  value.set_dtype(tf::DT_STRING);
  value.mutable_tensor_shape();
  if (!scalar) value.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(texts.size()));
  for (const std::string& text : texts) value.add_string_val(text);
}

bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % savedmodel::kBundleAlignment == 0;
}

}  // namespace

Variables::Variables(const savedmodel::Artefact& artefact, const runtime::Runtime& runtime)
    : artefact_(artefact), runtime_(runtime) {
  const std::vector<savedmodel::Restored> restored = artefact.restored();
  if (restored.empty()) return;
  try {
    const savedmodel::TensorBundle bundle(prefix_in(artefact.folder()));
    for (const savedmodel::Restored& one : restored) fed_.emplace_back(one.tensor, bundle.tensor(one.key));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBadInput) throw;
    fed_.clear();  // TensorFlow says what is wrong with it, if anything is
    return;
  }
  // TensorFlow copies what is not aligned; a file in which most is not gains nothing.
  std::size_t bytes = 0, copied = 0;
  for (const auto& [name, tensor] : fed_) {
    bytes += tensor.bytes().size();
    if (!is_aligned(tensor)) copied += tensor.bytes().size();
  }
  if (copied > bytes / 2) {
    fed_.clear();
    return;
  }
  try {
    check(restored);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) internal_error("{}: {}", artefact.folder().string(), error.what());
    throw;
  }
}

void Variables::check(const std::vector<savedmodel::Restored>& restored) {
  tf::GraphDef graph;
  add_strings(graph, "prefix", {prefix_in(artefact_.folder()).string()}, true);
  std::vector<std::pair<std::size_t, std::size_t>> chunks;
  for (std::size_t first = 0, last = 0; first < fed_.size(); first = last) {
    for (std::size_t bytes = 0; last < fed_.size(); ++last) {
      bytes += fed_[last].second.bytes().size();
      if (last > first && bytes > kBytesAtOnce) break;
    }
    std::vector<std::string> keys;
    tf::AttrValue dtypes;
    for (std::size_t i = first; i < last; ++i) {
      keys.push_back(restored[i].key);
      dtypes.mutable_list()->add_type(static_cast<tf::DataType>(graph::tf_number_of(fed_[i].second.dtype())));
    }
    const std::string name = fmt::format("read_{}", chunks.size());
    add_strings(graph, name + "/keys", keys, false);
    add_strings(graph, name + "/slices", std::vector<std::string>(keys.size()), false);
    tf::NodeDef& read = *graph.add_node();
    read.set_name(name);
    read.set_op("RestoreV2");
    for (const std::string& input : {std::string("prefix"), name + "/keys", name + "/slices"}) read.add_input(input);
    (*read.mutable_attr())["dtypes"] = dtypes;
    chunks.emplace_back(first, last);
  }
  const runtime::Session session = runtime_.import_graph(graph.SerializeAsString());
  for (std::size_t k = 0; k < chunks.size(); ++k) {
    const auto [first, last] = chunks[k];
    std::vector<std::string> fetches;
    for (std::size_t i = first; i < last; ++i) fetches.push_back(fmt::format("read_{}:{}", k, i - first));
    const auto values = session.run({}, fetches);
    for (std::size_t i = first; i < last; ++i) {
      const Tensor& read = values.at(fetches[i - first]);
      if (!have_same_value(read, fed_[i].second)) fed_[i].second = read;
    }
  }
}

runtime::Session Variables::load() const {
  if (fed_.empty()) return runtime_.load_saved_model(artefact_.folder());
  // Without a variables' file TensorFlow's loader leaves the variables empty.
  const ScratchFolder scratch;
  for (const fs::directory_entry& entry : fs::directory_iterator(artefact_.folder())) {
    const fs::path name = entry.path().filename();
    if (name != "variables") fs::create_symlink(fs::absolute(entry.path()), scratch.path() / name);
  }
  const runtime::Session session = runtime_.load_saved_model(scratch.path());
  session.run(fed_, {}, {artefact_.restore()});
  return session;
}

}  // namespace crossload::verify
