#include <doctest/doctest.h>

#include "base/error.h"
#include "port/calls.h"
#include "port/fold.h"
#include "port/pattern.h"
#include "port/print.h"
#include "port/rules.h"

namespace crossload::port {
namespace {

Node typed(const char* text, const char* type) {
  Node node = parse_expression(text);
  node.types = {type};
  return node;
}

std::string translated(const char* torch, std::vector<Node> arguments, const Node& self = {}) {
  std::string problem;
  const auto made = special_call({torch, self, std::move(arguments), {}}, problem);
  return made ? print_expression(*made) : "problem: " + problem;
}

TEST_CASE("every row parses, and its holes are its parameters") {
  for (const CallRule& rule : call_rules()) {
    CAPTURE(rule.torch);
    const Signature signature = parse_signature(rule.torch);
    Bindings bound;
    for (const auto& p : signature.parameters) bound[p.name] = name("x");
    CHECK_NOTHROW(fill(parse_expression(rule.tf), bound));
  }
  for (const ModuleRule& rule : module_rules()) {
    CAPTURE(rule.torch);
    Bindings bound{{"name", name("x")}, {"init", name("x")}};
    for (const auto& p : parse_signature(rule.torch).parameters) bound[p.name] = name("x");
    CHECK_NOTHROW(fill(parse_expression(rule.keras), bound));
    if (!rule.build.empty()) CHECK_NOTHROW(fill(parse_expression(rule.build), bound));
  }
}

TEST_CASE("a permutation comes from the observed rank") {
  const Node x = typed("x", "tensor:4:float32");
  CHECK(translated("Tensor.transpose", {number(1), number(2)}, x) == "tf.transpose(x, perm=[0, 2, 1, 3])");
  CHECK(translated("Tensor.transpose", {number(1), parse_expression("-1")}, x) == "tf.transpose(x, perm=[0, 3, 2, 1])");
  CHECK(translated("Tensor.transpose", {number(1), number(2)}, name("x")) ==
        "problem: swaps axes of a tensor whose rank no probe saw");
}

TEST_CASE("the last two axes go into a product as they are") {
  const Node q = name("q");
  const Node k = parse_expression("tf.transpose(k, perm=[0, 1, 3, 2])");
  CHECK(translated("torch.matmul", {q, k}) == "tf.matmul(q, k, transpose_b=True)");
  const Node heads = parse_expression("tf.transpose(k, perm=[0, 2, 1, 3])");
  CHECK(translated("torch.matmul", {q, heads}) == "tf.matmul(q, tf.transpose(k, perm=[0, 2, 1, 3]))");
}

TEST_CASE("sizes that stay are asked of the tensor") {
  const Node x = typed("x", "tensor:3:float32");
  CHECK(translated("Tensor.expand", {name("n"), parse_expression("-1"), parse_expression("-1"), parse_expression("-1")},
                   x) == "tf.broadcast_to(x, [n, shape_list(x)[0], shape_list(x)[1], shape_list(x)[2]])");
}

TEST_CASE("arguments are bound by name and by place") {
  CHECK(translated("torch.cat", {parse_expression("[a, b]")}) == "tf.concat([a, b], axis=0)");
  CHECK(translated("torch.cat", {parse_expression("[a, b]"), keyword("dim", parse_expression("-1"))}) ==
        "tf.concat([a, b], axis=-1)");
  CHECK(translated("torch.cat", {parse_expression("[a, b]"), keyword("out", name("c"))}) ==
        "problem: has an argument `out` that its rule does not know");
  CHECK(translated("torch.cummax", {name("x")}) == "problem: has no rule");
}

TEST_CASE("notes of copies in PyTorch go, other comments stay") {
  Node module = make("Module");
  Node block = make("Block");
  for (const char* text : {"# Copied from transformers.models.own.modeling_own.Own", "# Copied by hand"}) {
    block.children.push_back(make("Comment", text));
    module.children.push_back(make("Comment", text));
  }
  module.children.push_back(block);
  fold_module(module);
  REQUIRE(module.size() == 2);
  CHECK(module[0].text == "# Copied by hand");
  CHECK(module[1].size() == 1);
}

TEST_CASE("branches on the kind of device are those of a CPU") {
  for (const char* device : {"cpu", "cuda"}) {
    CAPTURE(device);
    const Node test = make("Compare", "==", {parse_expression("x.device.type"), text_literal(device)});
    Node module = make("Module");
    module.children = {make("If", "", {test, make("Block", "", {make("Pass")}), make("Block", "", {make("Break")})})};
    fold_module(module);
    REQUIRE(module.size() == 1);
    CHECK(module[0].kind == (std::string(device) == "cpu" ? "Pass" : "Break"));
  }
}

TEST_CASE("a text of several lines beside other arguments is split from them") {
  Node call = make("Call");
  call.children = {name("say"), make("Str", "\"\"\"one\n    two\"\"\"")};
  Node statement = make("Expr");
  statement.children = {call};
  Node module = make("Module");
  module.children = {statement};
  CHECK(print_module(module) == "say(\"\"\"one\n    two\"\"\")\n");
  module.children[0].children[0].children.push_back(name("X"));
  CHECK(print_module(module) == "say(\n    \"\"\"one\n    two\"\"\",\n    X,\n)\n");
}

TEST_CASE("rules that ask for one axis say so for another") {
  const Node one = parse_expression("1"), zero = parse_expression("0"), two = parse_expression("2");
  CHECK(translated("torch.topk", {name("x"), two}) == "tf.math.top_k(x, k=2)");
  CHECK(translated("torch.topk", {name("x"), two, one}) ==
        "problem: takes the largest values of an axis that is not written as -1");
  CHECK(translated("Tensor.index_add", {zero, name("rows"), name("y")}, name("x")) ==
        "tf.tensor_scatter_nd_add(x, tf.expand_dims(rows, axis=-1), y)");
  CHECK(translated("Tensor.index_add", {one, name("rows"), name("y")}, name("x")) ==
        "problem: adds to an axis that is not written as 0");
}

TEST_CASE("a sum of truth values counts them") {
  const Node minus_one = parse_expression("-1");
  CHECK(translated("Tensor.sum", {minus_one}, typed("x", "tensor:2:bool")) ==
        "tf.reduce_sum(tf.cast(x, tf.int32), axis=-1)");
  CHECK(translated("torch.sum", {typed("x", "tensor:2:float32"), minus_one, keyword("keepdim", name("True"))}) ==
        "tf.reduce_sum(x, axis=-1, keepdims=True)");
}

TEST_CASE("a random number without sizes is Python's") {
  CHECK(translated("torch.rand", {make("List")}) == "random.uniform(0, 1)");
  CHECK(translated("torch.rand", {parse_expression("[2, n]")}) == "tf.random.uniform([2, n])");
}

TEST_CASE("what a row asks of a written argument is decided") {
  CHECK(print_expression(fill(parse_expression("\"a\" if $mode == \"x\" else b"), {{"mode", text_literal("x")}})) ==
        "\"a\"");
  CHECK(print_expression(fill(parse_expression("\"a\" if $mode == \"x\" else b"), {{"mode", name("mode")}})) ==
        "\"a\" if mode == \"x\" else b");
}

TEST_CASE("only a constant is padded with, and padding by nothing goes") {
  const Node by_one = parse_expression("(0, 1)");
  CHECK(translated("torch.nn.functional.pad", {name("x"), by_one}) == "pad(x, (0, 1))");
  CHECK(translated("torch.nn.functional.pad", {name("x"), parse_expression("(0, 0)")}) == "x");
  CHECK(translated("torch.nn.functional.pad", {name("x"), by_one, parse_expression("\"reflect\"")}) ==
        "problem: pads with something else than a constant");
}

TEST_CASE("long lines are split as ruff splits them") {
  const Node one = parse_expression(
      "keras.layers.Dense(units=self.all_head_size_of_the_attention, use_bias=config.attention_bias, "
      "kernel_initializer=get_initializer(config.initializer_range), name=\"query\")");
  const Node assign = make("Assign", "", {parse_expression("self.query"), one});
  CHECK(print_module(make("Block", "", {assign})) ==
        "self.query = keras.layers.Dense(\n"
        "    units=self.all_head_size_of_the_attention,\n"
        "    use_bias=config.attention_bias,\n"
        "    kernel_initializer=get_initializer(config.initializer_range),\n"
        "    name=\"query\",\n"
        ")\n");
}

}  // namespace
}  // namespace crossload::port
