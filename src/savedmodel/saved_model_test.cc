// Structure is checked here; that TensorFlow loads and computes it, in tests/python/test_saved_model.py, which runs
// this program with CROSSLOAD_FIXTURES=<folder> and reads the models that the first test case then leaves there.
#include "savedmodel/saved_model.h"

#include <doctest/doctest.h>
#include <leveldb/env.h>
#include <leveldb/options.h>
#include <leveldb/table.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "base/crc32c.h"
#include "graph/shape_inference.h"
#include "graph/tf_ops.h"
#include "savedmodel/saved_model.pb.h"
#include "savedmodel/tensor_bundle.h"
#include "savedmodel/tensor_bundle.pb.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace crossload::savedmodel {
namespace {

namespace fs = std::filesystem;
using graph::Attrs;
using graph::Graph;
using graph::Node;
using graph::ValueRef;

class Weights : public WeightSource {
 public:
  explicit Weights(std::map<std::string, Tensor> tensors = {}) : tensors_(std::move(tensors)) {}
  Tensor tensor(const std::string& source) const override { return tensors_.at(source); }

 private:
  std::map<std::string, Tensor> tensors_;
};

/// Adds nodes to a graph; types and shapes by inference.
struct Writer {
  Graph g;

  ValueRef add(std::string op, std::string name, std::vector<ValueRef> inputs, Attrs attrs = {}) {
    Node node{std::move(op), std::move(name), std::move(inputs), std::move(attrs), {}, {}};
    std::vector<DType> types;
    for (const ValueRef ref : node.inputs) types.push_back(g.value(ref).dtype);
    for (const DType type : graph::infer_types(*graph::find_tf_op(node.op), types, node.attrs)) {
      node.outputs.push_back({type, std::nullopt, {}});
    }
    g.nodes.push_back(node);
    const auto shapes = graph::infer_shapes(node, g);
    for (std::size_t i = 0; i < shapes.size(); ++i) g.nodes.back().outputs[i].shape = shapes[i];
    return last();
  }
  ValueRef leaf(std::string op, std::string name, Attrs attrs, DType dtype, SymDims dims) {
    g.nodes.push_back({std::move(op), std::move(name), {}, std::move(attrs), {{dtype, std::move(dims), {}}}, {}});
    return last();
  }
  ValueRef input(const std::string& name, DType dtype, SymDims dims) {
    const auto index = static_cast<int64_t>(g.inputs.size());
    const ValueRef ref = leaf("Input", fmt::format("in_{}", index), {{"index", index}}, dtype, std::move(dims));
    g.inputs.push_back({name, ref});
    return ref;
  }
  ValueRef variable(graph::Variable v, const std::string& node_name) {
    const auto index = static_cast<int64_t>(g.variables.size());
    g.variables.push_back(v);
    return leaf("Variable", node_name, {{"index", index}}, v.dtype, SymDims(v.dims.begin(), v.dims.end()));
  }
  ValueRef constant(const std::string& name, const Tensor& t) {
    return leaf("Const", name, {{"value", t}, {"dtype", t.dtype()}}, t.dtype(),
                SymDims(t.dims().begin(), t.dims().end()));
  }
  ValueRef last() const { return {static_cast<int>(g.nodes.size()) - 1, 0}; }
};

/// logits = scale * ((embeddings[ids] * attention) @ dense^T), with dense stored transposed.
Graph plain_graph() {
  Writer w;
  const Sym b = Sym::symbol("s0"), s = Sym::symbol("s1");
  const ValueRef ids = w.input("input_ids", DType::kInt64, {b, s});
  const ValueRef attention = w.input("attention", DType::kFloat32, {b, s});
  const ValueRef embeddings =
      w.variable({"embeddings.weight", "embeddings.weight", {}, DType::kFloat32, {5, 3}, true}, "embeddings/weight");
  const ValueRef dense =
      w.variable({"dense.weight", "dense.weight", {1, 0}, DType::kFloat32, {3, 2}, true}, "dense/weight");
  const ValueRef scale = w.variable({"scale", "scale", {}, DType::kFloat32, {}, true}, "scale");
  const ValueRef step = w.variable({"variables", "step", {}, DType::kInt32, {}, true}, "step");
  const ValueRef zero = w.constant("zero", Tensor::scalar_int32(0));
  const ValueRef gathered = w.add("GatherV2", "gather", {embeddings, ids, zero});
  const ValueRef last = w.constant("minus_one", Tensor::scalar_int32(-1));
  const ValueRef weights = w.add("ExpandDims", "expand", {attention, last});
  const ValueRef hidden = w.add("Mul", "mul", {gathered, weights});
  const ValueRef flat = w.add("Reshape", "flat", {hidden, w.constant("flat_shape", Tensor::vector_int32({-1, 3}))});
  const ValueRef product = w.add("MatMul", "linear/MatMul", {flat, dense}, {{"transpose_a", false}});
  const ValueRef scaled = w.add("Mul", "scaled", {product, scale});
  const ValueRef sizes = w.add("Shape", "sizes", {ids}, {{"out_type", DType::kInt32}});
  const ValueRef shape = w.add("ConcatV2", "shape", {sizes, w.constant("two", Tensor::vector_int32({2})), zero});
  const ValueRef logits = w.add("Reshape", "logits", {scaled, shape});
  w.g.value(logits).shape = SymDims{b, s, Sym(2)};
  w.g.value(product).pt_values = {{"linear", {}}};
  w.g.value(hidden).pt_values = {{"mul", {}}, {"mul_view", {0, 2, 1}}};
  w.g.nodes[static_cast<std::size_t>(product.node)].origin = {"dense", "modeling_tiny.py:12", "linear"};
  const ValueRef again = w.leaf("Variable", "step_again", {{"index", int64_t{3}}}, DType::kInt32, {});
  const ValueRef next = w.add("AddV2", "next_step", {step, again});
  w.g.outputs = {{"logits", logits}, {"hidden_states.0", hidden}, {"output.0", next}, {"Echo", attention}};
  return w.g;
}

Weights plain_weights() {
  const float scale = 0.5f;
  return Weights({{"embeddings.weight", counting_floats({5, 3})},
                  {"dense.weight", counting_floats({2, 3})},
                  {"scale", Tensor::of<float>(DType::kFloat32, {}, std::span(&scale, 1))},
                  {"step", Tensor::scalar_int32(7)}});
}

/// flag ? 2 x : -x, under names with dots.
Graph branch_graph() {
  const auto branch = [](bool taken) {
    Writer w;
    const ValueRef x = w.input("x.0", DType::kFloat32, {Sym::symbol("s0")});
    const ValueRef y = taken ? w.add("AddV2", "double", {x, x}) : w.add("Neg", "neg", {x});
    w.g.outputs = {{"out", y}};
    return std::make_shared<const Graph>(w.g);
  };
  Writer w;
  const ValueRef flag = w.input("past.0.flag", DType::kBool, {});
  const ValueRef x = w.input("past.0.keys", DType::kFloat32, {Sym::symbol("s0")});
  const ValueRef y = w.add("StatelessIf", "cond", {flag, x},
                           {{"Tin", std::vector<DType>{DType::kFloat32}},
                            {"Tout", std::vector<DType>{DType::kFloat32}},
                            {"then_branch", branch(true)},
                            {"else_branch", branch(false)}});
  w.g.outputs = {{"past_key_values.layers.0.keys", y}};
  return w.g;
}

/// Gives back a variable of each type.
std::pair<Graph, Weights> dtype_graph() {
  Writer w;
  std::map<std::string, Tensor> tensors;
  const ValueRef x = w.input("x", DType::kFloat32, {Sym::symbol("s0"), Sym(2)});
  w.g.outputs.push_back({"x_out", x});
  for (const DType dtype : {DType::kBool, DType::kUInt8, DType::kInt32, DType::kInt64, DType::kFloat16,
                            DType::kBFloat16, DType::kFloat64}) {
    const std::string name(name_of(dtype));
    std::vector<std::byte> bytes;
    for (int64_t value : {0, 1, 1, 0, 1, 1}) {
      const Tensor one = scalar_tensor(dtype, value);
      bytes.insert(bytes.end(), one.bytes().begin(), one.bytes().end());
    }
    tensors[name] = Tensor::copy_of(dtype, {2, 3}, bytes);
    w.g.outputs.push_back({name, w.variable({name, name, {1, 0}, dtype, {3, 2}, true}, "read/" + name)});
  }
  tensors["empty"] = Tensor::copy_of(DType::kFloat32, {0, 4}, {});
  w.g.outputs.push_back({"empty", w.variable({"empty", "empty", {1, 0}, DType::kFloat32, {4, 0}, true}, "read/empty")});
  return {w.g, Weights(std::move(tensors))};
}

tf::MetaGraphDef read_meta(const fs::path& folder) {
  tf::SavedModel message;
  REQUIRE(message.ParseFromString(read_bytes(folder / "saved_model.pb")));
  REQUIRE(message.meta_graphs_size() == 1);
  return message.meta_graphs(0);
}

/// The index as LevelDB itself reads it.
std::map<std::string, std::string> read_index(const fs::path& path) {
  leveldb::RandomAccessFile* opened = nullptr;
  REQUIRE(leveldb::Env::Default()->NewRandomAccessFile(path.string(), &opened).ok());
  const std::unique_ptr<leveldb::RandomAccessFile> file(opened);
  leveldb::Table* raw = nullptr;
  REQUIRE(leveldb::Table::Open(leveldb::Options(), file.get(), fs::file_size(path), &raw).ok());
  const std::unique_ptr<leveldb::Table> table(raw);
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  const std::unique_ptr<leveldb::Iterator> it(table->NewIterator(options));
  std::map<std::string, std::string> entries;
  for (it->SeekToFirst(); it->Valid(); it->Next()) entries[it->key().ToString()] = it->value().ToString();
  return entries;
}

void write_fixtures(const fs::path& folder) {
  write(plain_graph(), plain_weights(), folder / "plain/1", {}, nullptr);
  write(plain_graph(), plain_weights(), folder / "frozen/1", {.frozen = true}, nullptr);
  write(plain_graph(), plain_weights(), folder / "jit/1", {.jit = true}, nullptr);
  write(branch_graph(), Weights(), folder / "branch/1", {}, nullptr);
  const auto [graph, weights] = dtype_graph();
  write(graph, weights, folder / "dtypes/1", {}, nullptr);
}

TEST_CASE("fixtures for tests/python/test_saved_model.py") {
  if (const char* folder = std::getenv("CROSSLOAD_FIXTURES")) return write_fixtures(folder);
  TempFolder temp;
  write_fixtures(temp.path);
  for (const char* name : {"plain", "frozen", "jit", "branch", "dtypes"}) {
    CHECK(fs::exists(temp.path / name / "1/saved_model.pb"));
    CHECK(fs::exists(temp.path / name / "1/variables/variables.index"));
  }
}

TEST_CASE("the model is one function, called by each signature directly") {
  TempFolder temp;
  graph::check(plain_graph());
  std::vector<std::size_t> reports;
  const Written written =
      write(plain_graph(), plain_weights(), temp.path / "1", {}, [&](std::size_t done) { reports.push_back(done); });
  CHECK(written.variable_count == 4);
  CHECK(written.weight_bytes == (15 + 6 + 1 + 1) * 4);
  CHECK(reports.back() == written.weight_bytes);
  const tf::MetaGraphDef meta = read_meta(temp.path / "1");
  int calls = 0;
  std::set<std::string> names;
  for (const tf::NodeDef& node : meta.graph_def().node()) {
    CHECK(names.insert(node.name()).second);
    if (node.op() != "StatefulPartitionedCall") continue;
    ++calls;
    CHECK(node.attr().at("f").func().name() == "forward");
    CHECK(node.input_size() == 6);
  }
  CHECK(calls == 2);
  const tf::SignatureDef& serving = meta.signature_def().at("serving_default");
  CHECK(serving.inputs().at("input_ids").dtype() == tf::DT_INT32);
  CHECK(serving.inputs().at("input_ids").tensor_shape().dim(0).size() == -1);
  CHECK(meta.signature_def().at("int64_serving").inputs().at("input_ids").dtype() == tf::DT_INT64);
  // Python's order: capitals first.
  CHECK(serving.outputs().at("Echo").name().ends_with(":0"));
  CHECK(serving.outputs().at("hidden_states.0").name().ends_with(":1"));
  CHECK(serving.outputs().at("logits").name().ends_with(":2"));
  CHECK(serving.outputs().at("logits").tensor_shape().dim(2).size() == 2);
}

TEST_CASE("nodes say where they come from and which PyTorch values they hold") {
  TempFolder temp;
  write(plain_graph(), plain_weights(), temp.path / "1", {}, nullptr);
  const tf::MetaGraphDef meta = read_meta(temp.path / "1");
  const tf::FunctionDef& forward = meta.graph_def().library().function(0);
  CHECK(forward.signature().name() == "forward");
  int found = 0, reads = 0;
  for (const tf::NodeDef& node : forward.node_def()) {
    const auto& info = node.experimental_debug_info();
    if (node.name() == "linear/MatMul") {
      ++found;
      CHECK(info.original_func_names(0) == "dense");
      CHECK(info.original_func_names(1) == "source=modeling_tiny.py:12");
      REQUIRE(info.original_node_names_size() == 1);
      CHECK(info.original_node_names(0) == "0:linear");
      CHECK(node.input(1) == "dense/weight:value:0");
    }
    if (node.name() == "mul") {
      ++found;
      REQUIRE(info.original_node_names_size() == 2);
      CHECK(info.original_node_names(1) == "0:mul_view@0,2,1");
    }
    reads += node.op() == "ReadVariableOp";
  }
  CHECK(found == 2);
  CHECK(reads == 4);  // one a variable, although `step` has two nodes
}

TEST_CASE("the checkpoint holds each variable's bytes, transposed where it says so") {
  TempFolder temp;
  write(plain_graph(), plain_weights(), temp.path / "1", {}, nullptr);
  const auto index = read_index(temp.path / "1/variables/variables.index");
  const std::string data = read_bytes(temp.path / "1/variables/variables.data-00000-of-00001");
  CHECK(index.size() == 6);
  tf::BundleHeaderProto header;
  CHECK(header.ParseFromString(index.at("")));
  CHECK(header.num_shards() == 1);
  tf::BundleEntryProto entry;
  REQUIRE(entry.ParseFromString(index.at("dense.weight/.ATTRIBUTES/VARIABLE_VALUE")));
  CHECK(entry.dtype() == tf::DT_FLOAT);
  CHECK(entry.shape().dim(0).size() == 3);
  CHECK(entry.shape().dim(1).size() == 2);
  const std::string bytes =
      data.substr(static_cast<std::size_t>(entry.offset()), static_cast<std::size_t>(entry.size()));
  const float expected[6] = {0, 3, 1, 4, 2, 5};
  CHECK(bytes == std::string(reinterpret_cast<const char*>(expected), sizeof expected));
  CHECK(entry.crc32c() == mask_crc32c(crc32c(std::as_bytes(std::span(expected)))));
}

TEST_CASE("equal input gives equal bytes") {
  TempFolder temp;
  write(plain_graph(), plain_weights(), temp.path / "a", {}, nullptr);
  write(plain_graph(), plain_weights(), temp.path / "b", {}, nullptr);
  for (const char* file : {"saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"}) {
    CHECK(read_bytes(temp.path / "a" / file) == read_bytes(temp.path / "b" / file));
  }
}

TEST_CASE("tensors of many blocks are written whole and with the right checksum") {
  TempFolder temp;
  const Tensor matrix = counting_floats({3000, 1700});  // 20 MB: several panels
  const Tensor wide = counting_floats({3, 2200000});    // transposed: rows of 3
  const Tensor tall = counting_floats({2200000, 3});    // transposed: a row is more than a block may be
  const Tensor image = counting_floats({64, 32, 9, 9});
  const std::vector<std::pair<Tensor, std::vector<int>>> all = {
      {matrix, {}}, {matrix, {1, 0}}, {wide, {1, 0}}, {tall, {1, 0}}, {image, {2, 3, 1, 0}}};
  std::vector<BundleTensor> tensors;
  for (std::size_t i = 0; i < all.size(); ++i) tensors.push_back({fmt::format("t{}", i), all[i].first, all[i].second});
  std::size_t last = 0;
  const std::size_t size = write_tensor_bundle(temp.path / "v", tensors, {}, [&](std::size_t done) { last = done; });
  CHECK(last == size);
  const auto index = read_index(temp.path / "v.index");
  const std::string data = read_bytes(temp.path / "v.data-00000-of-00001");
  CHECK(data.size() >= size);
  CHECK(data.size() < size + all.size() * kBundleAlignment);
  const TensorBundle read(temp.path / "v");
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    tf::BundleEntryProto entry;
    REQUIRE(entry.ParseFromString(index.at(fmt::format("t{}", i))));
    const std::string_view bytes(data.data() + entry.offset(), static_cast<std::size_t>(entry.size()));
    const Tensor expected = all[i].second.empty() ? all[i].first : transposed(all[i].first, all[i].second);
    CHECK(bytes == std::string_view(reinterpret_cast<const char*>(expected.bytes().data()), expected.bytes().size()));
    CHECK(entry.crc32c() == mask_crc32c(crc32c(expected.bytes())));
    CHECK(entry.offset() % static_cast<int64_t>(kBundleAlignment) == 0);
    CHECK(have_same_value(read.tensor(fmt::format("t{}", i)), expected));
  }
}

TEST_CASE("bad: a bundle that is damaged") {
  TempFolder temp;
  write_tensor_bundle(temp.path / "v", {{"t", counting_floats({5, 3}), {}}, {"u", counting_floats({2}), {}}},
                      {{"text", "words"}}, nullptr);
  const fs::path data = temp.path / "v.data-00000-of-00001", index = temp.path / "v.index";
  const auto refused = [&](const char* key) {
    return message_of(ErrorKind::kBadInput, [&] { (void)TensorBundle(temp.path / "v").tensor(key); });
  };
  CHECK(refused("w").ends_with("has no tensor `w`"));
  CHECK(refused("").ends_with("has no tensor ``"));
  CHECK(refused("text").find("`text` is of type 7") != std::string::npos);
  fs::resize_file(data, 67);
  CHECK(refused("u").ends_with("`u` [2] lies at 64 to 72 of 67 bytes; 8 are needed"));
  CHECK(TensorBundle(temp.path / "v").tensor("t").dims() == Dims{5, 3});
  fs::remove(data);
  CHECK(refused("t").find("v.data-00000-of-00001") != std::string::npos);
  fs::resize_file(index, fs::file_size(index) / 2);
  CHECK(refused("t").find("v.index: is no readable index of weights") != std::string::npos);
  fs::remove(index);
  CHECK(refused("t").find("v.index: cannot be read") != std::string::npos);
}

TEST_CASE("progress may stop the writing") {
  TempFolder temp;
  const auto stop = [](std::size_t) { throw Error(ErrorKind::kInterrupted, "stopped"); };
  CHECK_THROWS_WITH(write_tensor_bundle(temp.path / "v", {{"t", counting_floats({3000, 1700}), {}}}, {}, stop),
                    "stopped");
}

TEST_CASE("bad: no room for the weights") {
  TempFolder temp;
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const struct rlimit small { 1 << 20, before.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of(ErrorKind::kEnvironment, [&] {
    write_tensor_bundle(temp.path / "v", {{"t", counting_floats({3000, 1700}), {}}}, {}, nullptr);
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message.find("needs 20400000 bytes, ") != std::string::npos);
  CHECK(message.find(" are free (File too large); make room or choose another path") != std::string::npos);
}

std::string refusal(const Graph& graph, const Weights& weights, const fs::path& folder, const Options& options = {}) {
  return message_of(ErrorKind::kBadInput, [&] { write(graph, weights, folder, options, nullptr); });
}

TEST_CASE("bad: sources that do not fit their variables, all in one error and before anything is written") {
  TempFolder temp;
  const float scale = 0.5f;
  const Tensor scalar = Tensor::of<float>(DType::kFloat32, {}, std::span(&scale, 1));
  Weights one({{"embeddings.weight", counting_floats({5, 3})},
               {"dense.weight", counting_floats({3, 2})},
               {"scale", scalar},
               {"step", Tensor::scalar_int32(7)}});
  CHECK(refusal(plain_graph(), one, temp.path / "1") ==
        "weights: tensor `dense.weight` is float32 [3, 2]; variable `dense.weight` needs float32 [2, 3]");
  Weights two({{"embeddings.weight", counting_floats({5, 3})},
               {"dense.weight", counting_floats({2, 3})},
               {"scale", Tensor::scalar_int32(1)},
               {"step", Tensor::vector_int32({7})}});
  CHECK(refusal(plain_graph(), two, temp.path / "1") ==
        "weights: tensor `scale` is int32 []; variable `scale` needs float32 []; 1 more do not fit either");
  CHECK_FALSE(fs::exists(temp.path / "1"));
}

TEST_CASE("bad: frozen weights beyond what one message holds") {
  TempFolder temp;
  // Bytes that are never looked at.
  static const std::byte byte{};
  const std::size_t size = std::size_t{1} << 31;
  const Tensor huge(DType::kUInt8, {static_cast<int64_t>(size)}, std::span(&byte, size), nullptr);
  Writer w;
  w.g.outputs = {{"y", w.variable({"huge", "huge", {}, DType::kUInt8, {static_cast<int64_t>(size)}, false}, "huge")}};
  const std::string message = refusal(w.g, Weights({{"huge", huge}}), temp.path / "1", {.frozen = true});
  CHECK(message.find("the weights have 2147483648 bytes, a frozen graph holds at most 2147000000") !=
        std::string::npos);
}

}  // namespace
}  // namespace crossload::savedmodel
