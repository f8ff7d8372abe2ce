#include "checkpoint/weight_writer.h"

#include "checkpoint/checkpoint.h"
#include "support/test_file.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

NewTensor numbers(const std::string& name, Dims dims, float first, std::vector<std::string> layers = {}) {
  std::vector<float> values(static_cast<std::size_t>(element_count(dims)));
  for (float& v : values) v = first++;
  const Tensor tensor = Tensor::of<float>(DType::kFloat32, dims, values);
  return {name, DType::kFloat32, std::move(dims), [tensor] { return StridedTensor(tensor); }, std::move(layers)};
}

fs::path folder_of(const TestFile& file) { return fs::path(file.path()).parent_path(); }

Checkpoint h5_of(const TestFile& file, std::vector<std::string> layers, std::vector<NewTensor> tensors) {
  write_keras_hdf5(folder_of(file), layers, std::move(tensors), 1 << 20, {});
  return open_checkpoint(folder_of(file) / "tf_model.h5");
}

TEST_CASE("HDF5 gives back names, layers, shapes and numbers") {
  const TestFile file;
  std::vector<NewTensor> tensors = {numbers("m/a/kernel:0", {2, 3}, 1, {"a"}), numbers("m/scalar:0", {}, 7, {"a", "b"}),
                                    numbers("m/none:0", {0, 4}, 0, {"top_level_model_weights"})};
  const Checkpoint read = h5_of(file, {"a", "b", "empty"}, std::move(tensors));
  REQUIRE(read.entries().size() == 3);
  CHECK(read.is_tensorflow());
  CHECK(read.metadata().at("backend") == "tensorflow");
  CHECK(read.find("m/a/kernel:0")->dims == Dims{2, 3});
  CHECK(read.tensor("m/a/kernel:0").at<float>(5) == 6);
  CHECK(read.find("m/scalar:0")->dims.empty());
  CHECK(read.find("m/scalar:0")->layer == "a");
  CHECK(read.find("m/none:0")->layer == "top_level_model_weights");
}

TEST_CASE("an HDF5 group of thousands") {
  const TestFile file;
  std::vector<NewTensor> tensors;
  for (int i = 0; i < 3000; ++i) tensors.push_back(numbers(fmt::format("w{}", i), {1}, static_cast<float>(i), {"a"}));
  const Checkpoint read = h5_of(file, {"a"}, std::move(tensors));
  REQUIRE(read.entries().size() == 3000);
  for (const int i : {0, 7, 8, 255, 256, 257, 2999}) {
    CHECK(read.tensor(fmt::format("w{}", i)).at<float>(0) == static_cast<float>(i));
  }
}

TEST_CASE("shards are filled in order, a large tensor gets its own, and floats are cast") {
  const TestFile file;
  std::vector<NewTensor> tensors = {numbers("a", {4}, 0), numbers("b", {100}, 0), numbers("c", {2}, 0),
                                    numbers("d", {3}, 1), numbers("e", {1}, 0)};
  for (NewTensor& t : tensors) t.dtype = DType::kFloat16;
  std::size_t last = 0;
  const WrittenFiles written =
      write_safetensors(folder_of(file), std::move(tensors), 10, [&](std::size_t done) { last = done; });
  CHECK(written.bytes == 220);
  CHECK(last == 220);
  CHECK(written.names == std::vector<std::string>{"model-00001-of-00004.safetensors",
                                                  "model-00002-of-00004.safetensors",
                                                  "model-00003-of-00004.safetensors",
                                                  "model-00004-of-00004.safetensors", "model.safetensors.index.json"});
  const Checkpoint read = open_checkpoint(folder_of(file));
  CHECK(read.entries().size() == 5);
  CHECK(read.find("c")->file == read.find("d")->file);
  CHECK(read.find("d")->file != read.find("e")->file);
  CHECK(read.tensor("d").at<uint16_t>(2) == 0x4200);  // 3 in float16
  CHECK(read.metadata().at("format") == "pt");
}

TEST_CASE("bad: names that a file cannot hold") {
  const TestFile file;
  const auto refusal = [&](std::vector<NewTensor> tensors) {
    return error_from(file.path(), [&] { h5_of(file, {"a"}, std::move(tensors)); });
  };
  CHECK(has(refusal({numbers("x", {1}, 0, {"a"}), numbers("x", {1}, 0, {"a"})}), "tensor `x` stands twice"));
  CHECK(has(refusal({numbers("x", {1}, 0, {"a"}), numbers("x/y", {1}, 0, {"a"})}), "is a weight and holds others"));
  CHECK(has(refusal({numbers("x/y", {1}, 0, {"a"}), numbers("x", {1}, 0, {"a"})}), "or is taken"));
  CHECK(has(refusal({numbers("x//y", {1}, 0, {"a"})}), "cannot be a path in an HDF5 file"));
  CHECK(has(refusal({numbers("", {1}, 0, {"a"})}), "cannot be the place of a weight"));
  NewTensor complex = numbers("x", {1}, 0, {"a"});
  complex.dtype = DType::kComplex64;
  CHECK(has(refusal({complex}), "HDF5 has no common form for complex64"));
}

}  // namespace
}  // namespace crossload
