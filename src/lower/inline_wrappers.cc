// `%y = wrap(mode…, {(%a) … return [%b]}, %x)` becomes the body's nodes with %x in place of %a and %y in place of %b.
// Values are renamed, not copied, so an in-place write inside the body still reaches the value outside.
#include "lower/inline_wrappers.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"

namespace crossload::lower {
namespace {

using program::Argument;
using program::Block;
using program::Node;
using program::TensorRef;
using Body = std::shared_ptr<const Block>;

constexpr std::string_view kSetGradEnabled = "higher_order.wrap_with_set_grad_enabled";
constexpr std::string_view kAutocast = "higher_order.wrap_with_autocast";

// What autocast does on CPUs, from PyTorch's autocast_mode.cpp. Operations that take the widest type of their operands
// (cat, stack, index_copy) do so without it.
constexpr std::array kInAutocastType = {"_addmm_activation",
                                        "_convolution",
                                        "addbmm",
                                        "addmm",
                                        "baddbmm",
                                        "bmm",
                                        "conv1d",
                                        "conv2d",
                                        "conv3d",
                                        "conv_tbc",
                                        "conv_transpose1d",
                                        "conv_transpose2d",
                                        "conv_transpose3d",
                                        "linalg_vecdot",
                                        "linear",
                                        "matmul",
                                        "mkldnn_rnn_layer",
                                        "mm",
                                        "scaled_dot_product_attention"};
constexpr std::array kInFloat32 = {"adaptive_avg_pool3d",
                                   "adaptive_max_pool3d",
                                   "avg_pool3d",
                                   "binary_cross_entropy",
                                   "cdist",
                                   "cosine_embedding_loss",
                                   "cross_entropy_loss",
                                   "fft_fft",
                                   "fft_fft2",
                                   "fft_fftn",
                                   "fft_hfft",
                                   "fft_ifft",
                                   "fft_ifft2",
                                   "fft_ifftn",
                                   "fft_ihfft",
                                   "fft_irfft",
                                   "fft_irfft2",
                                   "fft_irfftn",
                                   "fft_rfft",
                                   "fft_rfft2",
                                   "fft_rfftn",
                                   "grid_sampler",
                                   "grid_sampler_2d",
                                   "grid_sampler_3d",
                                   "hinge_embedding_loss",
                                   "huber_loss",
                                   "kl_div",
                                   "l1_loss",
                                   "linalg_inv",
                                   "linalg_solve",
                                   "margin_ranking_loss",
                                   "max_pool3d",
                                   "mse_loss",
                                   "multi_margin_loss",
                                   "nanquantile",
                                   "nll_loss",
                                   "nll_loss2d",
                                   "poisson_nll_loss",
                                   "polar",
                                   "prelu",
                                   "prod",
                                   "quantile",
                                   "reflection_pad1d",
                                   "reflection_pad2d",
                                   "replication_pad1d",
                                   "replication_pad2d",
                                   "replication_pad3d",
                                   "smooth_l1_loss",
                                   "soft_margin_loss",
                                   "stft",
                                   "trace",
                                   "triplet_margin_loss",
                                   "view_as_complex"};

template <std::size_t N>
bool holds(const std::array<const char*, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wrapper(const Node& node) { return node.target == kSetGradEnabled || node.target == kAutocast; }

// Replaces the name of each tensor that a node reads.
template <typename F>
void rename_operands(Node& node, F&& renamed) {
  for (auto& argument : node.arguments) {
    if (auto* one = std::get_if<TensorRef>(&argument.value)) one->name = renamed(one->name);
    if (auto* list = std::get_if<program::TensorList>(&argument.value)) {
      for (auto& item : list->names) {
        if (item) item = renamed(*item);
      }
    }
  }
}

bool has_wrapper(const Block& block) {
  return std::ranges::any_of(block.nodes, [](const Node& node) {
    return is_wrapper(node) || std::ranges::any_of(node.arguments, [](const program::NamedArgument& argument) {
             const auto* body = std::get_if<Body>(&argument.value);
             return body != nullptr && has_wrapper(**body);
           });
  });
}

/// The type that autocast converts to; nothing while it is off.
using Mode = std::optional<DType>;

class Inliner {
 public:
  explicit Inliner(const Block& block) {
    flat_.inputs = block.inputs;
    flat_.outputs = block.outputs;
    flat_.tensors = block.tensors;
    flat_.syms = block.syms;
    for (const auto& [name, type] : block.tensors) taken_.insert(name);
    for (const auto& [name, value] : block.syms) taken_.insert(name);
  }

  Block run(const Block& block, const Mode& mode) {
    Names names;
    for (const auto& [name, type] : block.tensors) names[name] = name;
    for (const auto& [name, value] : block.syms) names[name] = name;
    add_nodes(block, names, mode);
    return std::move(flat_);
  }

 private:
  using Names = std::map<std::string, std::string>;  // of a block's values: what they are called in the flat block

  void add_nodes(const Block& block, const Names& names, const Mode& mode) {
    for (const Node& node : block.nodes) {
      if (is_wrapper(node)) {
        add_wrapped(node, names, mode);
      } else {
        add_node(node, names, mode);
      }
    }
  }

  void add_wrapped(const Node& wrapper, const Names& names, const Mode& mode) {
    const auto at = std::ranges::find_if(wrapper.arguments, [](const program::NamedArgument& argument) {
      return std::holds_alternative<Body>(argument.value);
    });
    if (at == wrapper.arguments.end()) bad_input("`{}` ({}): it has no body", wrapper.name, wrapper.target);
    const Block& body = *std::get<Body>(at->value);
    const auto operands = static_cast<std::size_t>(wrapper.arguments.end() - at) - 1;
    if (operands != body.inputs.size()) {
      bad_input("`{}` ({}): it has {} operands, its body takes {}", wrapper.name, wrapper.target, operands,
                body.inputs.size());
    }
    Names inner;
    for (std::size_t i = 0; i < operands; ++i) {
      const auto* ref = std::get_if<TensorRef>(&(at + 1 + static_cast<std::ptrdiff_t>(i))->value);
      if (ref != nullptr) inner[body.inputs[i]] = names.at(ref->name);
    }
    std::vector<std::pair<std::string, std::string>> again;  // results that are a value with a name already
    std::size_t next = 0;
    for (const program::Result& result : wrapper.results) {
      for (const std::string& name : result.tensors) {
        const auto* returned = next < body.outputs.size() ? std::get_if<TensorRef>(&body.outputs[next]) : nullptr;
        ++next;
        if (name.empty() || returned == nullptr) continue;
        if (!inner.try_emplace(returned->name, names.at(name)).second) again.emplace_back(returned->name, name);
      }
    }
    for (const auto& [name, type] : body.tensors) {
      if (!inner.contains(name)) inner[name] = new_name(name);
      flat_.tensors.try_emplace(inner[name], type);
    }
    for (const auto& [name, value] : body.syms) flat_.syms.emplace(inner[name] = new_name(name), value);
    add_nodes(body, inner, wrapper.target == kAutocast ? mode_in(wrapper, mode) : mode);
    for (const auto& [value, name] : again) {
      Node alias{"aten.alias.default", names.at(name), {{"self", TensorRef{inner.at(value)}}}, {}, wrapper.call_site};
      alias.results.push_back({{names.at(name)}, "", false});
      flat_.nodes.push_back(std::move(alias));
    }
  }

  // Arguments: device, type, whether it is on, whether weights are cached. Other devices' autocast has no effect on
  // CPUs.
  static Mode mode_in(const Node& wrapper, const Mode& outside) {
    const auto& arguments = wrapper.arguments;
    const auto* device = arguments.empty() ? nullptr : std::get_if<std::string>(&arguments[0].value);
    if (device == nullptr || *device != "cpu") return outside;
    const auto* type = arguments.size() < 2 ? nullptr : std::get_if<program::ScalarType>(&arguments[1].value);
    const auto* is_on = arguments.size() < 3 ? nullptr : std::get_if<bool>(&arguments[2].value);
    if (is_on != nullptr && !*is_on) return std::nullopt;
    return type == nullptr ? DType::kBFloat16 : type->dtype;
  }

  void add_node(Node node, const Names& names, const Mode& mode) {
    rename_operands(node, [&](const std::string& name) { return names.at(name); });
    for (auto& argument : node.arguments) {
      if (auto* body = std::get_if<Body>(&argument.value)) {
        *body = std::make_shared<const Block>(Inliner(**body).run(**body, mode));
      }
    }
    for (auto& result : node.results) {
      for (auto& name : result.tensors) {
        if (!name.empty()) name = names.at(name);
      }
      if (!result.sym.empty()) result.sym = names.at(result.sym);
    }
    if (mode) convert_operands(node, *mode);
    flat_.nodes.push_back(std::move(node));
  }

  void convert_operands(Node& node, DType autocast) {
    constexpr std::string_view kAten = "aten.";
    if (!node.target.starts_with(kAten)) return;
    const std::string name = node.target.substr(kAten.size(), node.target.find('.', kAten.size()) - kAten.size());
    DType wanted = autocast;
    if (holds(kInFloat32, name)) {
      wanted = DType::kFloat32;
    } else if (!holds(kInAutocastType, name)) {
      return;
    }
    rename_operands(node, [&](const std::string& operand) { return converted(operand, wanted, node); });
  }

  std::string converted(const std::string& name, DType wanted, const Node& user) {
    const program::TensorType type = flat_.tensors.at(name);
    if (!is_floating(type.dtype) || type.dtype == DType::kFloat64 || type.dtype == wanted) return name;
    const std::string result = new_name("autocast");
    flat_.tensors[result] = {wanted, type.dims};
    Node cast{"aten._to_copy.default", result, {}, {}, user.call_site};
    cast.arguments = {{"self", TensorRef{name}}, {"dtype", program::ScalarType{wanted}}};
    cast.results.push_back({{result}, "", false});
    flat_.nodes.push_back(std::move(cast));
    return result;
  }

  std::string new_name(const std::string& like) {
    std::string name = like;
    for (int i = 1; !taken_.insert(name).second; ++i) name = like + "_" + std::to_string(i);
    return name;
  }

  Block flat_;
  std::set<std::string> taken_;
};

}  // namespace

std::optional<Block> inline_wrappers(const Block& block) {
  if (!has_wrapper(block)) return std::nullopt;
  return Inliner(block).run(block, std::nullopt);
}

}  // namespace crossload::lower
