// A transpose moves below an elementwise operation or a reduction, towards the transpose that cancels it: what stands
// between two convolutions is then computed channels last, and merges into them.

#include <algorithm>
#include <array>
#include <string_view>

#include "lower/passes/passes.h"
#include "lower/passes/rebuild.h"
#include "lower/passes/rewrite.h"

namespace crossload::lower {
namespace {

using graph::Node;
using graph::Value;
using graph::ValueRef;

constexpr std::array<std::string_view, 5> kReductions = {"Max", "Mean", "Min", "Prod", "Sum"};

class TransposeSinker : public Rebuilder {
 public:
  using Rebuilder::Rebuilder;

 private:
  bool rewrite(const Node& old, int index) override {
    if (old.outputs.size() != 1 || old.inputs.empty()) return false;
    if (std::binary_search(kReductions.begin(), kReductions.end(), old.op)) return sink_below_reduction(old, index);
    if (!is_elementwise(old.op)) return false;
    std::vector<int> perm;
    ValueRef perm_input;
    std::vector<ValueRef> inputs;
    for (const ValueRef input : old.inputs) {
      const Node& source = node(input);
      const auto own = permutation_of(rebuilt(), source);
      if (!own.empty() && (perm.empty() || own == perm)) {
        perm = own;
        perm_input = source.inputs[1];
        inputs.push_back(source.inputs[0]);
      } else if (const Value& v = value(input); v.shape && v.shape->empty()) {
        inputs.push_back(input);
      } else {
        return false;
      }
    }
    if (perm.empty()) return false;
    return place_below(old, index, inputs, perm, perm_input);
  }

  // Over kept axes only: the axes are named anew, the transpose follows.
  bool sink_below_reduction(const Node& old, int index) {
    const Node source = node(old.inputs[0]);
    const auto perm = permutation_of(rebuilt(), source);
    const auto keep = old.attrs.find("keep_dims");
    const Node& axes = node(old.inputs[1]);
    if (perm.empty() || keep == old.attrs.end() || !std::get<bool>(keep->second) || axes.op != "Const") return false;
    const auto& tensor = std::get<Tensor>(axes.attrs.at("value"));
    std::vector<int32_t> moved;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      const int64_t axis = element_as_int(tensor, i);
      moved.push_back(perm[static_cast<std::size_t>(axis < 0 ? axis + static_cast<int64_t>(perm.size()) : axis)]);
    }
    std::sort(moved.begin(), moved.end());
    return place_below(old, index, {source.inputs[0], constant(Tensor::vector_int32(moved), old)}, perm,
                       source.inputs[1]);
  }

  bool place_below(const Node& old, int index, std::vector<ValueRef> inputs, const std::vector<int>& perm,
                   ValueRef perm_input) {
    Node first = old;
    first.inputs = std::move(inputs);
    Value& result = first.outputs[0];
    if (result.shape) {
      SymDims dims(perm.size());
      for (std::size_t i = 0; i < perm.size(); ++i) dims[static_cast<std::size_t>(perm[i])] = (*result.shape)[i];
      result.shape = dims;
    }
    result.pt_values = pt_values_before_transpose(old.outputs[0], perm);
    Node second;
    second.op = "Transpose";
    second.name = old.name + "/transposed";
    second.origin = old.origin;
    second.inputs = {append(std::move(first)), perm_input};
    second.attrs = {{"T", old.outputs[0].dtype}, {"Tperm", DType::kInt32}};
    second.outputs = {old.outputs[0]};
    replace(index, append(std::move(second)));
    return true;
  }
};

}  // namespace

bool sink_transposes(graph::Graph& graph) { return TransposeSinker(graph).run(); }

}  // namespace crossload::lower
