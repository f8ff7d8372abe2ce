#include "verify/visibility.h"

#include <doctest/doctest.h>

#include <vector>

namespace crossload::verify {
namespace {

using Rows = std::vector<uint8_t>;

const Sym b = Sym::symbol("s0"), s = Sym::symbol("s1"), other = Sym::symbol("s2");

program::Program program_with(const std::string& name, const Sym& length = s) {
  program::Program p;
  p.main.inputs = {"m"};
  p.main.tensors["m"] = {DType::kInt64, {b, length}};
  p.inputs.push_back({program::InputKind::kUser, "m", name, true, {}});
  return p;
}

Tensor mask(Dims dims, std::vector<int64_t> values) {
  return Tensor::of<int64_t>(DType::kInt64, std::move(dims), std::span<const int64_t>(values));
}

TEST_CASE("masks: tokens hidden at the end of one row") {
  const Masks masks(program_with("attention_mask"), {{"attention_mask", mask({2, 3}, {1, 1, 1, 1, 0, 0})}});
  const Visibility hidden = masks.of({b, s, Sym(4)}, {2, 3, 4});
  CHECK(hidden.rows == Rows{1, 1, 1, 1, 0, 0});
  CHECK(hidden.inner == 4);
  CHECK(masks.of({b, Sym(4)}, {2, 4}).rows.empty());  // a pooled output
  // The batch has a symbol of its own here, and the same size.
  CHECK(masks.of({other, s}, {2, 3}).rows == Rows{1, 1, 1, 1, 0, 0});
  // An axis of the same size by chance.
  CHECK(masks.of({b, other, Sym(4)}, {2, 3, 4}).rows.empty());
  CHECK(masks.of({b, Sym(3)}, {2, 3}).rows.empty());
}

TEST_CASE("masks: attention maps are masked along both axes") {
  const Masks masks(program_with("attention_mask"), {{"attention_mask", mask({1, 2}, {1, 0})}});
  const Visibility maps = masks.of({b, Sym(2), s, s}, {1, 2, 2, 2});
  CHECK(maps.inner == 1);
  CHECK(maps.rows == Rows{1, 0, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("masks: batch and sequence in one axis") {
  const Masks masks(program_with("attention_mask"), {{"attention_mask", mask({2, 2}, {1, 0, 1, 1})}});
  const Visibility flat = masks.of({b * s, Sym(5)}, {4, 5});
  CHECK(flat.rows == Rows{1, 0, 1, 1});
  CHECK(flat.inner == 5);
}

TEST_CASE("masks: a row without any visible position is hidden whole") {
  const Masks masks(program_with("attention_mask"), {{"attention_mask", mask({2, 2}, {0, 0, 1, 1})}});
  CHECK(masks.of({b, Sym(7)}, {2, 7}).rows == Rows{0, 1});
  CHECK(masks.of({Sym(9), Sym(7)}, {9, 7}).rows.empty());
}

TEST_CASE("masks: what is none") {
  CHECK(Masks(program_with("attention_mask"), {{"attention_mask", mask({1, 2}, {1, 1})}}).empty());
  CHECK(Masks(program_with("attention_mask"), {{"attention_mask", mask({1, 2}, {0, -9})}}).empty());
  CHECK(Masks(program_with("attention_mask"), {{"attention_mask", mask({2}, {1, 0})}}).empty());
  CHECK(Masks(program_with("bool_masked_pos"), {{"bool_masked_pos", mask({1, 2}, {1, 0})}}).empty());
  CHECK(Masks(program_with("input_ids"), {{"attention_mask", mask({1, 2}, {1, 0})}}).empty());
}

TEST_CASE("masks: a fixed length of 1 hides nothing, since every axis of 1 would be the sequence") {
  const std::map<std::string, Tensor> inputs = {{"attention_mask", mask({2, 1}, {1, 0})}};
  const Masks masks(program_with("attention_mask", Sym(1)), inputs);
  CHECK(masks.empty());
  CHECK(masks.of({b, Sym(1), Sym(4)}, {2, 1, 4}).rows.empty());
  // A length of 1 in this case alone is a sequence.
  CHECK(Masks(program_with("attention_mask"), inputs).of({b, s, Sym(4)}, {2, 1, 4}).rows == Rows{1, 0});
}

TEST_CASE("masks: XLNet's input_mask says what is hidden") {
  const Masks masks(program_with("input_mask"), {{"input_mask", mask({1, 3}, {0, 0, 1})}});
  CHECK(masks.of({b, s}, {1, 3}).rows == Rows{1, 1, 0});
}

}  // namespace
}  // namespace crossload::verify
