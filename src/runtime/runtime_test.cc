// The graphs are protobuf bytes put together here, field by field; values are computed by hand.
#include "runtime/runtime.h"

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "graph/tf_dtypes.h"
#include "support/temp_folder.h"
#include "support/tensorflow_package.h"
#include "support/tensors.h"

namespace crossload::runtime {
namespace {

namespace fs = std::filesystem;

// --- Protobuf, the two wire types in use ---

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string number_field(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}
std::string bytes_field(int field, const std::string& bytes) {
  return varint((static_cast<uint64_t>(field) << 3) | 2) + varint(bytes.size()) + bytes;
}

/// AttrValue.type = 6, in an entry of NodeDef.attr = 5.
std::string type_attr(const std::string& name, DType dtype) {
  const std::string value = number_field(6, static_cast<uint64_t>(graph::tf_number_of(dtype)));
  return bytes_field(5, bytes_field(1, name) + bytes_field(2, value));
}
/// GraphDef.node = 1; NodeDef: name = 1, op = 2, input = 3.
std::string node(const std::string& name, const std::string& op, const std::vector<std::string>& inputs,
                 const std::string& attrs) {
  std::string bytes = bytes_field(1, name) + bytes_field(2, op);
  for (const std::string& input : inputs) bytes += bytes_field(3, input);
  return bytes_field(1, bytes + attrs);
}
std::string placeholder(const std::string& name, DType dtype) {
  return node(name, "Placeholder", {}, type_attr("dtype", dtype));
}

/// x, y → sum = x + y
std::string sum_graph(DType dtype = DType::kFloat32) {
  return placeholder("x", dtype) + placeholder("y", dtype) + node("sum", "AddV2", {"x", "y"}, type_attr("T", dtype));
}

// --- The library ---

std::shared_ptr<Runtime> runtime_or_null() {
  if (fs::exists(tensorflow_package() / "libtensorflow_cc.so.2")) return Runtime::load(tensorflow_package());
  MESSAGE("skipped: no TensorFlow in " << tensorflow_package().string());
  return nullptr;
}

template <typename F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::kBadInput, "no error");
}

TEST_CASE("TensorFlow loads and leaves the signal handler alone") {
  using Handler = void (*)(int);
  const Handler mine = [](int) {};
  const Handler before = std::signal(SIGINT, mine);
  const auto runtime = runtime_or_null();
  const bool is_mine = std::signal(SIGINT, before) == mine;
  CHECK(is_mine);
  if (!runtime) return;
  CHECK(runtime->version().starts_with("2."));
  CHECK(Runtime::load(tensorflow_package()) == runtime);
  CHECK(std::getenv("TF_CPP_MIN_LOG_LEVEL") != nullptr);
}

TEST_CASE("a missing library is the environment's fault, and says what to install") {
  const Error error = error_of([] { Runtime::load("/nowhere/tensorflow"); });
  CHECK(error.kind() == ErrorKind::kEnvironment);
  CHECK(std::string(error.what()) ==
        "/nowhere/tensorflow: no TensorFlow here, `libtensorflow_cc.so.2` is missing; pip install "
        "tensorflow-cpu==2.21.0");
  const TempFolder folder;
  write_bytes(folder.path / "libtensorflow_cc.so.2", "no library");
  CHECK(error_of([&] { Runtime::load(folder.path); }).kind() == ErrorKind::kEnvironment);
}

TEST_CASE("the package of an interpreter is found without starting it") {
  const TempFolder folder;
  const fs::path& root = folder.path;
  const fs::path wanted = root / "lib/python3.11/site-packages/tensorflow";
  fs::create_directories(wanted);
  fs::create_directories(root / "bin");
  std::ofstream(root / "bin/python3").flush();
  CHECK(error_of([&] { find_tensorflow_package(root / "bin/python3"); }).kind() == ErrorKind::kEnvironment);
  std::ofstream(wanted / "libtensorflow_cc.so.2").flush();
  CHECK(find_tensorflow_package(root / "bin/python3") == wanted);
}

TEST_CASE("a graph runs, and any tensor of it can be fed") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  const Session session = runtime->import_graph(sum_graph());
  const auto results = session.run({{"x:0", floats({1, 2, 3})}, {"y", floats({10, 20, 30})}}, {"sum:0", "x:0"});
  CHECK(elements<float>(results.at("sum:0")) == std::vector<float>{11, 22, 33});
  CHECK(results.at("sum:0").dims() == Dims{3});
  CHECK(elements<float>(results.at("x:0")) == std::vector<float>{1, 2, 3});
  const auto fed = session.run({{"sum:0", floats({5})}}, {"sum"});
  CHECK(elements<float>(fed.at("sum")) == std::vector<float>{5});
  CHECK(session.has("sum:0"));
  CHECK_FALSE(session.has("sum:1"));
  CHECK_FALSE(session.has("other:0"));
  CHECK(session.dtype_of("x:0") == DType::kFloat32);
}

TEST_CASE("every element type goes in and out unchanged") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    CAPTURE(std::string(name_of(dtype)));
    CHECK(graph::dtype_from_tf_number(graph::tf_number_of(dtype)) == dtype);
    const Session session =
        runtime->import_graph(placeholder("x", dtype) + node("y", "Identity", {"x"}, type_attr("T", dtype)));
    std::vector<std::byte> bytes(2 * 3 * size_of(dtype));
    for (std::size_t b = 0; b < bytes.size(); ++b) bytes[b] = static_cast<std::byte>(dtype == DType::kBool ? b % 2 : b);
    const auto results = session.run({{"x:0", Tensor::copy_of(dtype, {2, 3}, bytes)}}, {"y:0"});
    const Tensor& y = results.at("y:0");
    CHECK(y.dtype() == dtype);
    CHECK(y.dims() == Dims{2, 3});
    CHECK(std::equal(bytes.begin(), bytes.end(), y.bytes().begin(), y.bytes().end()));
  }
  CHECK(graph::dtype_from_tf_number(7) == std::nullopt);  // string
}

TEST_CASE("scalars, empty tensors, and bytes at any address") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  const Session session = runtime->import_graph(sum_graph());
  const Tensor one = scalar_tensor(DType::kFloat32, 1.5);
  CHECK(session.run({{"x", one}, {"y", one}}, {"sum"}).at("sum").at<float>(0) == 3.0f);
  const Tensor none(DType::kFloat32, {0, 4}, {}, nullptr);
  CHECK(session.run({{"x", none}, {"y", none}}, {"sum"}).at("sum").dims() == Dims{0, 4});
  // Offset 4 from an aligned address.
  const auto memory = std::make_shared<std::vector<float>>(65, 2.0f);
  for (std::size_t skip = 0; skip < 2; ++skip) {
    const Tensor shifted(DType::kFloat32, {64}, std::as_bytes(std::span(*memory).subspan(skip, 64)), memory);
    CHECK(elements<float>(session.run({{"x", shifted}, {"y", shifted}}, {"sum"}).at("sum")) ==
          std::vector<float>(64, 4.0f));
  }
}

TEST_CASE("aligned feeds and all results are not copied, and live as long as they are used") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  std::weak_ptr<void> watched;
  Tensor result;
  {
    std::shared_ptr<void> memory(std::aligned_alloc(64, 4096), std::free);
    watched = memory;
    auto* values = static_cast<float*>(memory.get());
    std::iota(values, values + 1024, 0.0f);
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(memory.get()), 4096);
    const Tensor x(DType::kFloat32, {1024}, bytes, memory);
    const std::string graph =
        placeholder("x", DType::kFloat32) + node("same", "Identity", {"x"}, type_attr("T", DType::kFloat32));
    result = runtime->import_graph(graph).run({{"x", x}}, {"same"}).at("same");
    CHECK(result.bytes().data() == bytes.data());
  }
  CHECK_FALSE(watched.expired());
  CHECK(result.at<float>(1023) == 1023.0f);
  result = Tensor();
  CHECK(watched.expired());
}

TEST_CASE("failures carry TensorFlow's words and the name in question") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  const Session session = runtime->import_graph(sum_graph());
  const Error shapes = error_of([&] { session.run({{"x", floats({1, 2})}, {"y", floats({1, 2, 3})}}, {"sum"}); });
  CHECK(shapes.kind() == ErrorKind::kInternal);
  CHECK(std::string(shapes.what()).find("Incompatible shapes: [2] vs. [3]") != std::string::npos);
  CHECK(std::string(error_of([&] { session.run({}, {"nothing:0"}); }).what()) ==
        "graph: no operation `nothing` in the graph");
  CHECK(std::string(error_of([&] { session.run({}, {"sum:7"}); }).what()) ==
        "graph: `sum` has 1 outputs; `sum:7` is none of them");
  CHECK(error_of([&] { session.run({}, {"sum:x"}); }).kind() == ErrorKind::kInternal);
  CHECK(std::string(error_of([&] {
                      session.run({{"x", floats({1})}}, {"sum"});
                    }).what())
            .find("must feed a value") != std::string::npos);
  CHECK(error_of([&] { runtime->import_graph("\x0a\xff"); }).kind() == ErrorKind::kInternal);
  CHECK(std::string(error_of([&] { runtime->import_graph(node("g", "Gelu", {}, "")); }).what()).find("Gelu") !=
        std::string::npos);
  CHECK(error_of([&] { runtime->load_saved_model("/nowhere"); }).kind() == ErrorKind::kBadInput);
}

TEST_CASE("threads can be limited, and one session serves several threads") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  SessionOptions options;
  options.intra_op_threads = 1;
  options.inter_op_threads = 1;
  const Session session = runtime->import_graph(sum_graph(), options);
  std::vector<float> results(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 50; ++turn) {
        const Tensor x = floats({static_cast<float>(i)});
        results[i] = session.run({{"x", x}, {"y", x}}, {"sum"}).at("sum").at<float>(0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(results == std::vector<float>{0, 2, 4, 6});
  options.config_proto = "\xff\xff";
  CHECK(error_of([&] { runtime->import_graph(sum_graph(), options); }).kind() == ErrorKind::kInternal);
}

TEST_CASE("a SavedModel runs") {
  const auto runtime = runtime_or_null();
  if (!runtime) return;
  const TempFolder folder;
  // SavedModel: saved_model_schema_version = 1, meta_graphs = 2; MetaGraphDef: meta_info_def = 1 (tags = 4), graph_def
  // = 2.
  const std::string meta_graph = bytes_field(1, bytes_field(4, "serve")) + bytes_field(2, sum_graph(DType::kInt32));
  write_bytes(folder.path / "saved_model.pb", number_field(1, 1) + bytes_field(2, meta_graph));
  const Session session = runtime->load_saved_model(folder.path);
  const Tensor x = Tensor::vector_int32({1, 2});
  CHECK(elements<int32_t>(session.run({{"x:0", x}, {"y:0", x}}, {"sum:0"}).at("sum:0")) == std::vector<int32_t>{2, 4});
  const Error error = error_of([&] { runtime->load_saved_model(folder.path, {}, "train"); });
  CHECK(error.kind() == ErrorKind::kInternal);
  CHECK(std::string(error.what()).find("train") != std::string::npos);
}

}  // namespace
}  // namespace crossload::runtime
