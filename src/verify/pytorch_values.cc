#include "verify/pytorch_values.h"

#include "verify/compare.h"
#include "verify/verify.h"

namespace crossload::verify {

double recorded_noise(const Checkpoint& file, const std::string& value,
                      const std::function<Visibility(const Dims&)>& visibility_at) {
  double sum = 0;
  for (const char* kind : {"offset/", "noise/"}) {
    if (file.find(kind + value) == nullptr) return kUnknown;
    const Tensor distances = file.tensor(kind + value);
    sum += largest_noise(distances, visibility_at(distances.dims()));
  }
  return sum;
}

Visibility PyTorchValues::visibility(const std::string& value, const Dims& dims) const {
  const auto type = program_.main.tensors.find(value);
  return masks_.empty() || type == program_.main.tensors.end() ? Visibility() : masks_.of(type->second.dims, dims);
}

double PyTorchValues::noise(const std::string& value) const {
  return recorded_noise(file_, value, [&](const Dims& dims) { return visibility(value, dims); });
}

std::optional<std::pair<Tensor, Tensor>> PyTorchValues::offset_and_noise(const std::string& value) const {
  if (file_.find("offset/" + value) == nullptr || file_.find("noise/" + value) == nullptr) return std::nullopt;
  return std::pair(file_.tensor("offset/" + value), file_.tensor("noise/" + value));
}

double PyTorchValues::distance_from_truth(const std::string& value, const Tensor& pt, const Tensor& tf) const {
  if (file_.find("offset/" + value) == nullptr) return kUnknown;
  const Tensor offset = file_.tensor("offset/" + value);
  if (offset.dims() != pt.dims()) return kUnknown;
  std::vector<double> truth(static_cast<std::size_t>(pt.count()));
  for (int64_t i = 0; i < pt.count(); ++i) {
    truth[static_cast<std::size_t>(i)] = element_as_double(pt, i) + element_as_double(offset, i);
  }
  const Tensor exact = Tensor::of<double>(DType::kFloat64, pt.dims(), truth);
  return distance(tf, exact, pt, visibility(value, pt.dims())).max;
}

}  // namespace crossload::verify
