#include "verify/visibility.h"

#include <algorithm>
#include <optional>

namespace crossload::verify {
namespace {

struct MaskName {
  std::string_view name;
  int visible;  // the value of a visible position
};

// Inputs whose zeros and ones say which positions hold data. What a model computes at the others is not defined: their
// attention rows are softmax over nothing but masked entries, where PyTorch's own kernels disagree with one another.
constexpr MaskName kMaskNames[] = {
    {"attention_mask", 1},          // tokens or samples; nearly every model
    {"encoder_attention_mask", 1},  // decoders with cross attention
    {"decoder_attention_mask", 1},  // encoder-decoders
    {"padding_mask", 1},            // audio codecs (EnCodec, DAC): 1 is audio, 0 is padding
    {"pixel_mask", 1},              // detectors: 1 is image; of rank 2 only after patching
    {"visual_attention_mask", 1},   // LXMERT, VisualBERT: regions of the image
    {"entity_attention_mask", 1},   // LUKE
    {"qformer_attention_mask", 1},  // InstructBLIP
    {"input_features_mask", 1},     // speech features
    {"input_mask", 0},              // XLNet: the reverse of attention_mask
};

std::optional<int> visible_value_of(std::string_view name) {
  const auto* found = std::ranges::find(kMaskNames, name, &MaskName::name);
  return found == std::end(kMaskNames) ? std::nullopt : std::optional(found->visible);
}

const program::ProgramInput* user_input(const program::Program& program, std::string_view name) {
  return program.find_input(program::InputKind::kUser, name);
}

/// How an axis is read from a mask's [B, S] entries.
enum class Axis { kFree, kSequence, kFlattened };

}  // namespace

std::optional<Masks::Mask> Masks::mask_of(const program::Program& program, const std::string& name,
                                          const Tensor& tensor, int visible_value) {
  const program::ProgramInput* input = user_input(program, name);
  if (input == nullptr || tensor.dims().size() != 2 || is_complex(tensor.dtype())) return std::nullopt;
  const auto type = program.main.tensors.find(input->value);
  if (type == program.main.tensors.end() || type->second.dims.size() != 2) return std::nullopt;
  // A length of 1 would take every axis of 1 for the sequence.
  if (type->second.dims[1].as_constant() == 1) return std::nullopt;
  Mask mask{name, type->second.dims, tensor.dims(), std::vector<uint8_t>(static_cast<std::size_t>(tensor.count()))};
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double value = element_as_double(tensor, i);
    if (value != 0 && value != 1) return std::nullopt;
    mask.visible[static_cast<std::size_t>(i)] = value == visible_value;
  }
  return mask;
}

Masks::Masks(const program::Program& program, const std::map<std::string, Tensor>& inputs) {
  for (const auto& [name, tensor] : inputs) {
    const auto visible_value = visible_value_of(name);
    if (!visible_value) continue;
    auto mask = mask_of(program, name, tensor, *visible_value);
    if (!mask || std::ranges::all_of(mask->visible, [](uint8_t v) { return v != 0; })) continue;
    masks_.push_back(*std::move(mask));
  }
}

std::optional<Masks> Masks::with(const program::Program& program, const std::string& input, const Tensor& tensor,
                                 int visible_value) const {
  auto mask = mask_of(program, input, tensor, visible_value);
  if (!mask) return std::nullopt;
  Masks result = *this;
  std::erase_if(result.masks_, [&](const Mask& known) { return known.input == input; });
  result.masks_.push_back(*std::move(mask));
  return result;
}

Visibility Masks::of(const SymDims& symbolic, const Dims& dims) const {
  if (symbolic.size() != dims.size() || dims.empty()) return {};
  struct Use {
    const Mask* mask;
    std::vector<Axis> axes;
    std::vector<uint8_t> batch;  // whether anything of a batch entry is visible
  };
  std::vector<Use> uses;
  std::size_t depth = 0;  // axes up to the last masked one
  for (const Mask& mask : masks_) {
    Use use{&mask, std::vector<Axis>(dims.size(), Axis::kFree), {}};
    const int64_t batch = mask.dims[0], length = mask.dims[1];
    if (dims[0] == batch * length && batch > 1 && symbolic[0] == mask.symbolic[0] * mask.symbolic[1]) {
      use.axes[0] = Axis::kFlattened;
      depth = std::max<std::size_t>(depth, 1);
    } else if (dims[0] == batch) {
      for (std::size_t axis = 1; axis < dims.size(); ++axis) {
        if (dims[axis] != length || !(symbolic[axis] == mask.symbolic[1])) continue;
        use.axes[axis] = Axis::kSequence;
        depth = std::max(depth, axis + 1);
      }
      for (int64_t b = 0; b < batch; ++b) {
        const auto row = mask.visible.begin() + b * length;
        use.batch.push_back(std::any_of(row, row + length, [](uint8_t v) { return v != 0; }));
      }
      if (std::ranges::find(use.batch, 0) != use.batch.end()) depth = std::max<std::size_t>(depth, 1);
    } else {
      continue;
    }
    uses.push_back(std::move(use));
  }
  if (depth == 0) return {};

  Visibility result;
  const std::span<const int64_t> all(dims);
  result.inner = element_count(all.subspan(depth));
  result.rows.assign(static_cast<std::size_t>(element_count(all.first(depth))), 1);
  Dims index(depth, 0);
  for (uint8_t& row : result.rows) {
    for (const Use& use : uses) {
      const int64_t length = use.mask->dims[1];
      for (std::size_t axis = 0; axis < depth && row; ++axis) {
        if (use.axes[axis] == Axis::kSequence) row = use.mask->visible[index[0] * length + index[axis]];
        if (use.axes[axis] == Axis::kFlattened) row = use.mask->visible[index[0]];
      }
      if (!use.batch.empty() && !use.batch[index[0]]) row = 0;
    }
    for (std::size_t axis = depth; axis-- > 0;) {
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

Tensor visible_elements(const Visibility& visible, const Dims& dims) {
  const auto count = static_cast<std::size_t>(element_count(dims));
  std::vector<std::byte> bytes(count, std::byte{1});
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = std::byte{visible.rows[i / static_cast<std::size_t>(visible.inner)]};
  }
  return Tensor::copy_of(DType::kBool, dims, bytes);
}

}  // namespace crossload::verify
