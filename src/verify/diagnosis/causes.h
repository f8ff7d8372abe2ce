// What commonly goes wrong between PyTorch and TensorFlow, and how to put it to the proof.
#pragma once

#include <span>
#include <string_view>

namespace crossload::verify {

/// A cause, the change of the PyTorch stage that stands for it (a name in python/crossload/reference/counterfactuals),
/// and the operations that it may concern: beginnings of ATen names, separated by spaces; empty for the whole stage.
struct CauseRow {
  std::string_view cause, counterfactual, operations;
};

/// In the order in which they are believed when several explain a stage: what is said most exactly comes first.
std::span<const CauseRow> cause_table();

}  // namespace crossload::verify
