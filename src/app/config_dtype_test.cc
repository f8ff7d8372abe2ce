#include "app/config_dtype.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace crossload::app {

TEST_CASE("only the dtypes change, and nothing else of the text") {
  const std::string before =
      "{\n  \"z\": 1e-05 , \"b\":[ {\"model_type\": \"x\", \"dtype\": \"float32\"}],\n"
      "\t\"torch_dtype\" :  \"float32\"  ,\n"
      "  \"vision_config\": {\"dtype\":\"bfloat16\", \"model_type\": \"vit\", \"deep\": {\"dtype\": \"float32\"}},\n"
      "  \"quantizer\": {\"dtype\": \"float32\"},\n"
      "  \"text\": \"\\u00e9 \\\"torch_dtype\\\": \\\"float32\\\"\", \"dtype\":\"float64\"}\n\n";
  const std::string after =
      "{\n  \"z\": 1e-05 , \"b\":[ {\"model_type\": \"x\", \"dtype\": \"float32\"}],\n"
      "\t\"torch_dtype\" :  \"float16\"  ,\n"
      "  \"vision_config\": {\"dtype\":\"float16\", \"model_type\": \"vit\", \"deep\": {\"dtype\": \"float32\"}},\n"
      "  \"quantizer\": {\"dtype\": \"float32\"},\n"
      "  \"text\": \"\\u00e9 \\\"torch_dtype\\\": \\\"float32\\\"\", \"dtype\":\"float16\"}\n\n";
  CHECK(with_dtype(before, "float16", "config.json") == after);
}

TEST_CASE("a configuration that says no dtype is left alone") {
  for (const char* text : {"{}", "{\"torch_dtype\": null, \"model_type\": \"bert\"}", "{\"torch_dtype\": 3}"}) {
    CHECK(with_dtype(text, "float16", "config.json") == text);
  }
}

TEST_CASE("what is no object is refused") {
  for (const char* text : {"", "[]", "{\"torch_dtype\": ", "{\"a\" \"b\"}", "\"float32\""}) {
    CHECK_THROWS_AS(with_dtype(text, "float16", "config.json"), Error);
  }
}

}  // namespace crossload::app
