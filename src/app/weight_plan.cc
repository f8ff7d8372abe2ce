#include "app/weight_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/float_cast.h"
#include "base/json_file.h"

namespace crossload::app {
namespace fs = std::filesystem;
using nlohmann::json;
using Direction = WeightsResult::Direction;

namespace {

names::Model model_of(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  std::ifstream in(path);
  if (!in) {
    bad_input("{}: cannot be read; names depend on the model type, put the model's config.json beside its weights",
              path.string());
  }
  const json config = parse_json(in, path);
  const auto text_at = [](const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!config.is_object() || text_at(config, "model_type").empty()) {
    bad_input("{}: has no `model_type`; restore the file", path.string());
  }
  names::Model model;
  model.model_type = text_at(config, "model_type");
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && architectures->is_array() && !architectures->empty() &&
      architectures->front().is_string()) {
    model.class_name = architectures->front().get<std::string>();
  }
  const auto tied = config.find("tie_word_embeddings");
  if (tied != config.end() && tied->is_boolean()) model.tie_word_embeddings = tied->get<bool>();
  // Transformers writes the labels and not their number.
  if (const auto labels = config.find("id2label"); labels != config.end() && labels->is_object()) {
    model.numbers["num_labels"] = static_cast<int64_t>(labels->size());
  }
  for (const auto& [key, part] : config.items()) {
    if (part.is_number_integer()) model.numbers[key] = part.get<int64_t>();
    if (!part.is_object() || text_at(part, "model_type").empty()) continue;
    model.parts[key] = text_at(part, "model_type");
    if (const auto size = part.find("vocab_size"); size != part.end() && size->is_number_integer()) {
      model.numbers[key + ".vocab_size"] = size->get<int64_t>();
    }
  }
  return model;
}

// Integers of another width. TensorFlow's classes keep tables of indices in 32 bits, PyTorch's in 64.
template <typename From, typename To>
Tensor resized(const StridedTensor& tensor, const std::string& where) {
  const Tensor whole = tensor.to_tensor();
  std::vector<To> numbers(static_cast<std::size_t>(whole.count()));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const From value = whole.at<From>(static_cast<int64_t>(i));
    if (!std::in_range<To>(value)) {
      bad_input("{} holds {}, which does not fit the {} bits of TensorFlow's class; restore the file", where, value,
                8 * sizeof(To));
    }
    numbers[i] = static_cast<To>(value);
  }
  return Tensor::of<To>(sizeof(To) == 4 ? DType::kInt32 : DType::kInt64, whole.dims(), numbers);
}

class Planner {
 public:
  Planner(const SourceWeights& source, const WeightsRequest& request, WeightsResult& result)
      : source_(source), result_(result), class_name_(request.class_name), allow_overflow_(request.allow_overflow) {
    if (request.dtype.empty()) return;
    dtype_ = dtype_from_name(request.dtype);
    if (!dtype_ || !can_cast(*dtype_)) {
      bad_input("command line: --dtype {}: floats are cast to float16, bfloat16, float32 or float64", request.dtype);
    }
  }

  WeightPlan plan() {
    switch (result_.direction) {
      case Direction::kPtToTf: return to_tf();
      case Direction::kTfToPt: return to_pt();
      case Direction::kPtToPt: break;
    }
    WeightPlan plan;
    for (const Checkpoint::Entry& entry : source_.checkpoint.entries()) {
      plan.tensors.push_back(tensor(entry.name, entry.name, {{}, entry.dims, entry.dtype}, {}));
    }
    return plan;
  }

 private:
  WeightPlan to_tf() {
    const names::Model model = described_model();
    std::vector<names::PtTensor> tensors;
    for (const auto& entry : source_.checkpoint.entries()) tensors.push_back({entry.name, entry.dtype, entry.dims});
    names::TfPlan found = told_of_file([&] {
      return names::to_tf(model, tensors, [this](const std::string& a, const std::string& b) {
        return source_.checkpoint.have_same_bytes(a, b);
      });
    });
    tell(model, std::move(found.class_name), std::move(found.unused), std::move(found.missing));
    WeightPlan plan;
    plan.layer_names = std::move(found.layer_names);
    for (names::TfWeight& weight : found.weights) {
      plan.tensors.push_back(tensor(std::move(weight.name), weight.source, weight.layout, std::move(weight.values)));
      plan.tensors.back().layers = std::move(weight.groups);
    }
    return plan;
  }

  WeightPlan to_pt() {
    const names::Model model = described_model();
    std::vector<names::TfTensor> tensors;
    for (const auto& entry : source_.checkpoint.entries()) {
      tensors.push_back({entry.layer, entry.name, entry.dtype, entry.dims});
    }
    names::PtPlan found = told_of_file([&] { return names::to_pt(model, tensors); });
    tell(model, std::move(found.class_name), std::move(found.unused), std::move(found.missing));
    WeightPlan plan;
    for (names::PtWeight& weight : found.weights) {
      plan.tensors.push_back(tensor(std::move(weight.name), weight.source, weight.layout, std::move(weight.values)));
    }
    return plan;
  }

  /// Runs `map_names`; its errors, which know nothing of files, get the name of the weight file in front.
  template <typename F>
  std::invoke_result_t<F> told_of_file(F map_names) const {
    try {
      return map_names();
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: {}", source_.file.string(), error.what()), error.details());
    }
  }

  names::Model described_model() const {
    names::Model model = model_of(source_.folder);
    if (!class_name_.empty()) model.class_name = class_name_;
    return model;
  }

  void tell(const names::Model& model, std::string class_name, std::vector<names::Note> unused,
            std::vector<names::Note> missing) {
    result_.model_type = model.model_type;
    result_.class_name = std::move(class_name);
    result_.unused = std::move(unused);
    result_.missing = std::move(missing);
  }

  /// The largest absolute value of a tensor that is finite and that `to` makes infinite; nothing when it holds all.
  static std::optional<double> overflow_of(const StridedTensor& tensor, DType to) {
    const DType from = tensor.dtype();
    if (!can_cast(from) || from == to || from == DType::kFloat16 || to == DType::kFloat64) return std::nullopt;
    double largest = 0;
    const int64_t step = std::max<int64_t>(1, tensor.block_length());
    std::vector<std::byte> bytes;
    std::vector<double> wide;
    for (int64_t first = 0; first < tensor.count(); first += step) {
      const int64_t last = std::min(first + step, tensor.count());
      bytes.resize(static_cast<std::size_t>(last - first) * size_of(from));
      wide.resize(static_cast<std::size_t>(last - first));
      tensor.read(first, last, bytes.data());
      cast_floats(from, bytes, DType::kFloat64, std::as_writable_bytes(std::span(wide)).data());
      for (const double value : wide) {
        if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
      }
    }
    double narrowed = 0;
    std::array<std::byte, sizeof(double)> cast{};
    cast_floats(DType::kFloat64, std::as_bytes(std::span(&largest, 1)), to, cast.data());
    cast_floats(to, std::span(cast).first(size_of(to)), DType::kFloat64,
                std::as_writable_bytes(std::span(&narrowed, 1)).data());
    return std::isinf(narrowed) ? std::optional(largest) : std::nullopt;
  }

  /// values: the elements of a tensor that no file holds; empty: all zeros.
  NewTensor tensor(std::string name, const std::string& source, const names::Layout& layout,
                   std::vector<float> values) {
    NewTensor made;
    made.name = std::move(name);
    made.dtype = dtype_ && can_cast(layout.dtype) ? *dtype_ : layout.dtype;
    made.dims = layout.dims;
    if (made.dtype != layout.dtype && values.empty() && !source.empty()) {
      if (const auto largest = overflow_of(source_.checkpoint.strided(source), made.dtype)) {
        result_.overflows.push_back({source, *largest});
        if (!allow_overflow_) made.dtype = layout.dtype;
      }
    }
    if (!values.empty()) {
      made.source = [dims = layout.dims, dtype = layout.dtype, values = std::move(values)]() -> StridedTensor {
        return Tensor::copy_of(dtype, dims, std::as_bytes(std::span(values)));
      };
    } else if (source.empty()) {
      made.source = [dims = layout.dims, dtype = layout.dtype]() -> StridedTensor {
        const std::vector<std::byte> zeros(static_cast<std::size_t>(element_count(dims)) * size_of(dtype));
        return Tensor::copy_of(dtype, dims, zeros);
      };
    } else {
      made.source = [&from = source_.checkpoint.strided(source), permutation = layout.permutation,
                     where = fmt::format("{}: tensor `{}`", source_.file.string(), source),
                     dtype = layout.dtype]() -> StridedTensor {
        const StridedTensor permuted = from.permuted(permutation);
        if (permuted.dtype() == DType::kInt64 && dtype == DType::kInt32)
          return resized<int64_t, int32_t>(permuted, where);
        if (permuted.dtype() == DType::kInt32 && dtype == DType::kInt64)
          return resized<int32_t, int64_t>(permuted, where);
        return permuted;
      };
    }
    return made;
  }

  const SourceWeights& source_;
  WeightsResult& result_;
  std::string class_name_;
  bool allow_overflow_;
  std::optional<DType> dtype_;
};

}  // namespace

WeightPlan plan_weights(const SourceWeights& source, const WeightsRequest& request, WeightsResult& result) {
  return Planner(source, request, result).plan();
}

}  // namespace crossload::app
