#include "program/stored_tensors.h"

#include <numeric>

#include "support/test_archive.h"

namespace crossload::program {
namespace {

struct Meta {
  std::string sizes = "[2, 3]";
  std::string strides = "[3, 1]";
  std::string offset = "0";
  std::string entry = "weight_0";
  std::string dtype = "7";
  bool is_param = true;
  bool use_pickle = false;
};

std::string integers(const std::string& list) {
  std::string result = "[";
  std::stringstream items(list.substr(1));
  for (std::string item; std::getline(items, item, ',');) {
    while (!item.empty() && (item.back() == ']' || item.back() == ' ')) item.pop_back();
    if (item.empty()) continue;
    if (result.size() > 1) result += ", ";
    result += "{\"as_int\": " + item + "}";
  }
  return result + "]";
}

std::string config(const std::vector<std::pair<std::string, Meta>>& tensors) {
  std::string text;
  for (const auto& [fqn, m] : tensors) {
    if (!text.empty()) text += ", ";
    text += fmt::format(
        R"("{}": {{"path_name": "{}", "is_param": {}, "use_pickle": {}, "tensor_meta": {{"dtype": {}, "sizes": {}, )"
        R"("strides": {}, "storage_offset": {{"as_int": {}}}}}}})",
        fqn, m.entry, m.is_param, m.use_pickle, m.dtype, integers(m.sizes), integers(m.strides), m.offset);
  }
  return "{\"config\": {" + text + "}}";
}

std::string floats(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return {reinterpret_cast<const char*>(values.data()), count * sizeof(float)};
}

std::map<std::string, Tensor> read(const TestFile& file) {
  return read_stored_tensors(ZipArchive::open(file.path()), "x/");
}

std::map<std::string, Tensor> read(const std::vector<std::pair<std::string, Meta>>& tensors, std::size_t count) {
  const TestFile file;
  file.write_zip(
      {{"x/data/weights/weight_0", floats(count)}, {"x/data/weights/model_weights_config.json", config(tensors)}});
  return read(file);
}

std::string error_of(const Meta& meta, std::size_t count, ErrorKind kind = ErrorKind::kBadInput) {
  const TestFile file;
  file.write_zip({{"x/data/weights/weight_0", floats(count)},
                  {"x/data/weights/model_weights_config.json", config({{"a.weight", meta}})}});
  return error_from(
      file.path(), [&] { read(file); }, kind);
}

std::vector<float> values(const Tensor& tensor) {
  std::vector<float> result;
  for (int64_t i = 0; i < tensor.count(); ++i) result.push_back(tensor.at<float>(i));
  return result;
}

TEST_CASE("tensors are laid out by sizes, strides and offset") {
  const auto tensors = read({{"contiguous", {}},
                             {"offset", {.sizes = "[2]", .strides = "[1]", .offset = "3"}},
                             {"transposed", {.sizes = "[3, 2]", .strides = "[1, 3]"}},
                             {"every_second", {.sizes = "[3]", .strides = "[2]", .offset = "1"}},
                             {"one_axis_of_one", {.sizes = "[1, 6]", .strides = "[77, 1]"}},
                             {"cube", {.sizes = "[2, 1, 3]", .strides = "[1, 9, 2]"}},
                             {"scalar", {.sizes = "[]", .strides = "[]", .offset = "5"}},
                             {"empty", {.sizes = "[0, 3]", .strides = "[3, 1]", .offset = "100"}},
                             {"expanded", {.sizes = "[2, 2]", .strides = "[0, 1]"}}},
                            6);
  CHECK(values(tensors.at("contiguous")) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(tensors.at("contiguous").dims() == Dims{2, 3});
  CHECK(values(tensors.at("offset")) == std::vector<float>{3, 4});
  CHECK(values(tensors.at("transposed")) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(values(tensors.at("every_second")) == std::vector<float>{1, 3, 5});
  CHECK(values(tensors.at("one_axis_of_one")) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(values(tensors.at("cube")) == std::vector<float>{0, 2, 4, 1, 3, 5});
  CHECK(values(tensors.at("scalar")) == std::vector<float>{5});
  CHECK(tensors.at("empty").dims() == Dims{0, 3});
  CHECK(values(tensors.at("expanded")) == std::vector<float>{0, 1, 0, 1});
  CHECK(tensors.at("contiguous").bytes().data() == tensors.at("one_axis_of_one").bytes().data());
}

TEST_CASE("parameters whose values were left out are absent, other expanded tensors are not") {
  const Meta stand_in{.sizes = "[30522, 384]", .strides = "[0, 0]"};
  const auto tensors = read({{"weight", stand_in},
                             {"one", {.sizes = "[1]", .strides = "[0]"}},
                             {"scalar", {.sizes = "[]", .strides = "[]"}},
                             {"buffer", {.sizes = "[3]", .strides = "[0]", .is_param = false}}},
                            1);
  CHECK(tensors.size() == 1);
  CHECK(values(tensors.at("buffer")) == std::vector<float>{0, 0, 0});
  CHECK(read({{"scalar", {.sizes = "[]", .strides = "[]"}}}, 1).contains("scalar"));
}

TEST_CASE("compressed storage is read as well") {
  const TestFile file;
  file.write_zip({{"x/data/constants/tensor_0", floats(6)},
                  {"x/data/constants/model_constants_config.json", config({{"c", {.entry = "tensor_0"}}})}},
                 true);
  CHECK(values(read(file).at("c")) == std::vector<float>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("bad-tensors: storage that does not hold what is said") {
  CHECK(
      error_of({}, 5) ==
      "x.pt2 @ x/data/weights/weight_0: 20 bytes for tensor `a.weight`, too few for float32 [2, 3] with strides [3, 1] "
      "from element 0; the file is damaged");
  CHECK(has(error_of({.offset = "1"}, 6), "too few"));
  CHECK(has(error_of({.strides = "[4, 1]"}, 6), "too few"));
  CHECK(has(error_of({.strides = "[9223372036854775807, 9223372036854775807]"}, 6), "too few"));
  CHECK(has(error_of({.offset = "9223372036854775807"}, 6), "too few"));
  CHECK(
      has(error_of({.sizes = "[-2, 3]"}, 6), "tensor `a.weight`: `tensor_meta` has a negative number: sizes [-2, 3]"));
  CHECK(has(error_of({.strides = "[-3, 1]"}, 6), "has a negative number"));
  CHECK(has(error_of({.offset = "-1"}, 6), "has a negative number"));
  CHECK(has(error_of({.sizes = "[4294967296, 4294967296]"}, 6), "beyond 63 bits"));
  CHECK(has(error_of({.sizes = "[4611686018427387904]", .strides = "[1]"}, 6), "beyond 63 bits"));
  CHECK(has(error_of({.sizes = "[99999999999999999999]", .strides = "[1]"}, 6), "are no JSON"));
  CHECK(has(error_of({.strides = "[1]"}, 6), "has 2 sizes and 1 strides"));
  CHECK(has(error_of({.sizes = "[1099511627776]", .strides = "[0]", .is_param = false}, 1), "expands 4 bytes to"));
}

TEST_CASE("bad-tensors: entries that are not there, not tensors, or not representable") {
  CHECK(has(error_of({.entry = "weight_1"}, 6), "x.pt2 @ x/data/weights/weight_1: no such entry"));
  CHECK(has(error_of({.entry = "../../weight_0"}, 6), "no such entry"));
  CHECK(has(error_of({.use_pickle = true}, 6), "tensor `a.weight`: `a.weight` is a pickle, which is never opened"));
  CHECK(has(error_of({.dtype = "9"}, 6, ErrorKind::kUnsupported), "dtype complex32 has no TensorFlow form"));
  CHECK(has(error_of({.dtype = "\"7\""}, 6), "`dtype` is a string, a 64-bit integer expected"));
  const TestFile file;
  for (const char* text :
       {"", "{", "[]", "{\"config\": []}", "{\"config\": {\"a\": 1}}", "{\"config\": {\"a\": {}}}"}) {
    file.write_zip({{"x/data/weights/model_weights_config.json", text}});
    CHECK_THROWS_AS(read(file), Error);
  }
}

}  // namespace
}  // namespace crossload::program
