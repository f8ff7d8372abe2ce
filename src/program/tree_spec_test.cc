#include "program/tree_spec.h"

#include "base/error.h"
#include "support/test_archive.h"

namespace crossload::program {
namespace {

using Names = std::vector<std::string>;

const std::string kLeaf = R"({"type": null, "context": null, "children_spec": []})";

std::string leaves(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i > 0 ? ", " : "") + kLeaf;
  return text;
}

std::string node(std::string_view type, std::string_view context, std::string_view children) {
  std::string escaped;
  for (const char c : context) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return fmt::format(R"({{"type": "{}", "context": "{}", "children_spec": [{}]}})", type, escaped, children);
}

Names outputs(const std::string& root) { return output_names("[1, " + root + "]", {{"t.Pair", {"a", "b"}}}, "x.pt2"); }

// As Transformers' exporter writes it.
const std::string kCache = node(
    "transformers.cache_utils:DynamicCache",
    R"({"_t": "obj", "p": "transformers.cache_utils:DynamicCache", "s": {"layers": [)"
    R"({"_t": "obj", "p": "DynamicLayer", "s": {"keys": {"_t": "tensor", "i": 0}, "values": {"_t": "tensor", "i": 1},)"
    R"( "is_initialized": true, "dtype": {"_t": "dtype", "n": "float32"}}},)"
    R"({"_t": "obj", "p": "DynamicLayer", "s": {"keys": {"_t": "tensor", "i": 2}, "values": {"_t": "tensor", "i": 3}}}],)"
    R"( "offsets": {"_t": "items", "v": [[0, {"_t": "sym", "i": 4}], [1, false]]}}})",
    leaves(5));

TEST_CASE("names of outputs") {
  CHECK(outputs(kLeaf) == Names{"output.0"});
  CHECK(outputs(node("builtins.tuple", "null", leaves(2))) == Names{"output.0", "output.1"});
  CHECK(outputs(node("builtins.list", "null", node("builtins.tuple", "null", leaves(2)))) ==
        Names{"output.0.0", "output.0.1"});
  CHECK(outputs(node("builtins.tuple", "null", "")).empty());
  CHECK(outputs(node("transformers.modeling_outputs.BaseModelOutput", R"(["last_hidden_state", "hidden_states"])",
                     kLeaf + ", " + node("builtins.tuple", "null", leaves(3)))) ==
        Names{"last_hidden_state", "hidden_states.0", "hidden_states.1", "hidden_states.2"});
  CHECK(outputs(node("builtins.dict", R"(["a", 3, true])", leaves(3))) == Names{"a", "3", "true"});
  CHECK(outputs(node("builtins.dict", R"(["1", 1, "1_2", 1])", leaves(4))) == Names{"1", "1_3", "1_2", "1_4"});
  CHECK(outputs(node("builtins.dict", R"(["a.b", "a"])", kLeaf + ", " + node("builtins.dict", R"(["b"])", kLeaf))) ==
        Names{"a.b", "a.b_2"});
  CHECK(outputs(node("my.Data", R"([["x", "y"], ["z"]])", leaves(2))) == Names{"x", "y"});
  CHECK(outputs(node("collections.namedtuple", "t.Pair", leaves(2))) == Names{"a", "b"});
  CHECK(outputs(node("collections.defaultdict", R"({"default_factory_name": "list", "dict_context": ["k"]})",
                     node("builtins.list", "null", kLeaf))) == Names{"k.0"});
  CHECK(outputs(R"({"type": "collections.defaultdict", "context": {"default_factory_module": "builtins", )"
                R"("default_factory_name": "list", "dict_context": ["a", "b"]}, "children_spec": [)" +
                leaves(2) + "]}") == Names{"a", "b"});
  CHECK(outputs(node("transformers.modeling_outputs.CausalLMOutputWithPast", R"(["logits", "past_key_values"])",
                     kLeaf + ", " + kCache)) ==
        Names{"logits", "past_key_values.layers.0.keys", "past_key_values.layers.0.values",
              "past_key_values.layers.1.keys", "past_key_values.layers.1.values", "past_key_values.offsets.0"});
  CHECK(outputs(node("my.Unknown", "what is this", leaves(2))) == Names{"output.0", "output.1"});
  CHECK(outputs(node("my.Unknown", R"(["too", "many", "keys"])", leaves(2))) == Names{"output.0", "output.1"});
}

TEST_CASE("names of inputs") {
  const auto inputs = [](const std::string& positional, const std::string& keywords, const Names& arguments) {
    return input_names("[1, " + node("builtins.tuple", "null", positional + ", " + keywords) + "]", arguments, {},
                       "x.pt2");
  };
  const std::string none = node("builtins.tuple", "null", "");
  const std::string keywords = node("builtins.dict", R"(["input_ids", "past_key_values"])", kLeaf + ", " + kCache);
  CHECK(inputs(none, keywords, {"input_ids", "past_key_values"}) ==
        Names{"input_ids", "past_key_values.layers.0.keys", "past_key_values.layers.0.values",
              "past_key_values.layers.1.keys", "past_key_values.layers.1.values", "past_key_values.offsets.0"});
  const std::string two = node("builtins.tuple", "null", kLeaf + ", " + node("builtins.list", "null", leaves(2)));
  const std::string one_keyword = node("builtins.dict", R"(["mask"])", kLeaf);
  CHECK(inputs(two, one_keyword, {"x", "pair", "mask"}) == Names{"x", "pair.0", "pair.1", "mask"});
  CHECK(inputs(two, one_keyword, {}) == Names{"input.0", "input.1.0", "input.1.1", "mask"});
}

TEST_CASE("bad-tree-spec") {
  for (const char* text : {"", "{}", "[]", "[1]", "[1, 2]", "[1, {}]", "[1, {\"type\": 3}]", "[1, {\"type\": \"x\"}]",
                           "[\"1\", {\"type\": null}]", "[2, {\"type\": null}]"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(output_names(text, {}, "x.pt2"), Error);
    CHECK_THROWS_AS(input_names(text, {}, {}, "x.pt2"), Error);
  }
  CHECK_THROWS_AS(input_names("[1, " + kLeaf + "]", {}, {}, "x.pt2"), Error);
  CHECK_THROWS_AS(outputs(node("my.Cache", R"({"_t": "tensor"})", leaves(1))), Error);
  CHECK(outputs(node("my.Cache", R"({"_t": "tensor", "i": 99})", leaves(1))) == Names{"0"});
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += R"({"type": "builtins.tuple", "context": "null", "children_spec": [)";
  CHECK_THROWS_AS(output_names("[1, " + deep, {}, "x.pt2"), Error);
}

}  // namespace
}  // namespace crossload::program
