#include "verify/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "verify/compare.h"
#include "verify/visibility.h"

namespace crossload::verify {
namespace {

using savedmodel::Port;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kExportError = 256;  // times the smallest distance of a run from the truth: no rounding any more
constexpr double kSmallest = 1e-5;    // distances up to this need no explanation
// How much further from the truth than the worst of PyTorch's runs a correct conversion may be: docs/verification.md
// has the rates at which these fail.
constexpr double kLargestRatio = 2, kRmsRatio = 1.5;

std::string position_text(int64_t flat, const Dims& dims) {
  Dims index(dims.size());
  for (std::size_t axis = dims.size(); axis-- > 0;) {
    index[axis] = flat % std::max<int64_t>(dims[axis], 1);
    flat /= std::max<int64_t>(dims[axis], 1);
  }
  return to_string(index);
}

void measure(OutputResult& result, const std::vector<Tensor>& runs, const Tensor* truth, const Tensor& tf,
             const Visibility& visible, std::vector<std::string>& notes) {
  const Tensor& pt = runs.front();
  const Difference difference = compare(pt, tf, visible);
  result.max_error = difference.max;
  result.padded_error = difference.padded;
  result.mean_error = difference.mean;
  result.cosine = difference.cosine;
  result.content = content_of(pt, visible);
  if (pt.dtype() == DType::kFloat16 || pt.dtype() == DType::kBFloat16) result.units = units_apart(pt, tf, visible);
  if (!difference.note.empty()) {
    notes.push_back(fmt::format("output `{}` {}: {}, first at {}", result.name, to_string(pt.dims()), difference.note,
                                position_text(difference.worst, pt.dims())));
  }
  if (truth == nullptr || truth->count() != pt.count() || !is_floating(pt.dtype()) || !is_floating(truth->dtype())) {
    return;
  }
  std::vector<Distance> distances;
  for (const Tensor& run : runs) distances.push_back(distance(run, *truth, pt, visible));
  const Distance of_tf = distance(tf, *truth, pt, visible);
  result.pt_truth = distances.front().max;
  result.tf_truth = of_tf.max;
  result.tf_truth_rms = of_tf.rms;
  // Runs that differ in nothing but rounding are off by much the same. One that is far off computes something else:
  // where PyTorch's export is not the model, that is no noise.
  const double usual = kExportError * std::ranges::min_element(distances, {}, &Distance::max)->max;
  result.noise = result.noise_rms = 0;
  for (const Distance& d : distances) {
    if (d.max > std::max(usual, kSmallest)) continue;
    result.noise = std::max(result.noise, d.max);
    result.noise_rms = std::max(result.noise_rms, d.rms);
  }
  if (result.pt_truth > std::max(usual, kSmallest)) {
    notes.push_back(
        fmt::format("output `{}` {}: the program that PyTorch exported is {:.1e} away from the model itself",
                    result.name, to_string(pt.dims()), result.pt_truth));
  }
}

/// A model of dynamic sizes that was compared at one of them.
void tell_of_one_shape(Result& result) {
  std::set<std::string> labels;
  std::string reason;  // the first, for which another shape was given up
  if (!result.dropped.empty()) reason = result.dropped.front().reason;
  for (const ShapeResult& shape : result.shapes) {
    if (!shape.skipped) labels.insert(shape.label);
    if (shape.skipped && reason.empty()) reason = *shape.skipped;
  }
  if (labels.size() != 1 || reason.empty()) return;
  result.verdict_note = fmt::format("compared at one shape, {}; another one: {}", *labels.begin(), reason);
}

/// A complex tensor as real and imaginary parts, on a last axis of 2; others as they are.
Tensor in_parts(const Tensor& tensor) {
  if (!is_complex(tensor.dtype())) return tensor;
  Dims dims = tensor.dims();
  dims.push_back(2);
  return Tensor::copy_of(tensor.dtype() == DType::kComplex64 ? DType::kFloat32 : DType::kFloat64, dims, tensor.bytes());
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kVerified: return "verified";
    case Verdict::kWithinNoise: return "within-noise";
    case Verdict::kMismatch: return "mismatch";
    case Verdict::kUnverified: break;
  }
  return "unverified";
}

SymDims symbolic_dims(const program::Program& program, const std::string& output) {
  for (const program::ProgramOutput& candidate : program.outputs) {
    const auto* tensor = std::get_if<program::TensorRef>(&candidate.value);
    if (candidate.name != output || candidate.is_mutation || tensor == nullptr) continue;
    const auto type = program.main.tensors.find(tensor->name);
    return type == program.main.tensors.end() ? SymDims() : type->second.dims;
  }
  return {};
}

CaseValues read_case(const std::filesystem::path& file) {
  const Checkpoint tensors = open_safetensors(file);
  CaseValues values;
  std::map<std::string, std::map<int, Tensor>> runs;
  for (const Checkpoint::Entry& entry : tensors.entries()) {
    const std::size_t slash = entry.name.find('/');
    const std::string kind = entry.name.substr(0, slash);
    const std::string rest = slash == std::string::npos ? "" : entry.name.substr(slash + 1);
    if (kind == "input") {
      values.inputs[rest] = tensors.tensor(entry.name);
    } else if (kind == "truth") {
      values.truth[rest] = tensors.tensor(entry.name);
    } else if (const std::size_t next = rest.find('/'); kind == "run" && next != std::string::npos) {
      const std::string number = rest.substr(0, next);
      if (number.empty() || number.size() > 4 || number.find_first_not_of("0123456789") != std::string::npos) {
        bad_input("{}: tensor `{}`: no number behind `run/`", file.string(), entry.name);
      }
      runs[rest.substr(next + 1)][std::stoi(number)] = tensors.tensor(entry.name);
    }
  }
  for (auto& [output, by_number] : runs) {
    if (by_number.begin()->first != 0) bad_input("{}: output `{}` has no `run/0`", file.string(), output);
    auto& list = values.runs[output];
    for (auto& [number, tensor] : by_number) {
      if (!list.empty() && (tensor.dims() != list[0].dims() || tensor.dtype() != list[0].dtype())) {
        bad_input("{}: output `{}`: run {} is {}{}, run 0 is {}{}", file.string(), output, number,
                  name_of(tensor.dtype()), to_string(tensor.dims()), name_of(list[0].dtype()),
                  to_string(list[0].dims()));
      }
      list.push_back(std::move(tensor));
    }
  }
  return values;
}

Tensor converted(const Tensor& tensor, DType dtype, const std::string& name) {
  if (tensor.dtype() == dtype) return tensor;
  const bool integers = is_integral(tensor.dtype()) && is_integral(dtype);
  if (!integers && !(is_floating(tensor.dtype()) && is_floating(dtype))) {
    bad_input("input `{}`: the sample is {}, the model takes {}", name, name_of(tensor.dtype()), name_of(dtype));
  }
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<std::size_t>(tensor.count()) * size_of(dtype));
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const Tensor element =
        integers ? scalar_tensor(dtype, element_as_int(tensor, i)) : scalar_tensor(dtype, element_as_double(tensor, i));
    if (integers && element_as_int(element, 0) != element_as_int(tensor, i)) {
      bad_input("input `{}`: value {} at element {} does not fit {}", name, element_as_int(tensor, i), i,
                name_of(dtype));
    }
    bytes.insert(bytes.end(), element.bytes().begin(), element.bytes().end());
  }
  return Tensor::copy_of(dtype, tensor.dims(), bytes);
}

std::vector<std::pair<std::string, Tensor>> feeds_of(const std::map<std::string, Port>& ports,
                                                     const std::map<std::string, Tensor>& inputs) {
  std::vector<std::pair<std::string, Tensor>> feeds;
  for (const auto& [name, port] : ports) {
    const auto input = inputs.find(name);
    if (input == inputs.end()) bad_input("input `{}`: the model takes it, the reference values lack it", name);
    feeds.emplace_back(port.tensor, converted(input->second, port.dtype, name));
  }
  return feeds;
}

Masks masks_of(const program::Program& program, const CaseValues& pytorch, std::vector<std::string>& notes) {
  const auto disagreement = [&](const Masks& masks) {
    double largest = 0;
    for (const auto& [name, runs] : pytorch.runs) {
      if (!is_floating(runs.front().dtype())) continue;
      const Visibility visible = masks.of(symbolic_dims(program, name), runs.front().dims());
      for (const Tensor& run : runs) largest = std::max(largest, compare(runs.front(), run, visible).max);
    }
    return largest;
  };
  Masks masks(program, pytorch.inputs);
  const double by_name = disagreement(masks);
  if (by_name <= kSmallest) return masks;
  for (const auto& [name, tensor] : pytorch.inputs) {
    for (const int visible_value : {1, 0}) {
      const auto other = masks.with(program, name, tensor, visible_value);
      const double left = other ? disagreement(*other) : kInfinity;
      if (!std::isfinite(left) || (left > kSmallest && left * kExportError > by_name)) continue;
      notes.push_back(fmt::format(
          "input `{}`: positions where it is {} are taken for padding, since PyTorch's own runs differ there by {:.1e} "
          "and elsewhere by {:.1e}",
          name, 1 - visible_value, by_name, left));
      return *other;
    }
  }
  return masks;
}

std::vector<OutputResult> compare_outputs(const program::Program& program, const CaseValues& pytorch,
                                          const Masks& masks, const std::map<std::string, Tensor>& tf,
                                          std::vector<std::string>& notes) {
  std::vector<OutputResult> results;
  std::vector<std::string> names;  // in the program's order
  for (const program::ProgramOutput& output : program.outputs) {
    if (!output.is_mutation && pytorch.runs.contains(output.name)) names.push_back(output.name);
  }
  for (const auto& [name, runs] : pytorch.runs) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  for (const std::string& name : names) {
    const std::vector<Tensor>& runs = pytorch.runs.at(name);
    const Tensor& pt = runs.front();
    OutputResult& result = results.emplace_back();
    result.name = name;
    result.shape = pt.dims();
    result.dtype = pt.dtype();
    const auto found = tf.find(name);
    const bool fits = found != tf.end() && found->second.dtype() == pt.dtype() && found->second.dims() == pt.dims();
    if (!fits) {
      result.max_error = result.mean_error = kInfinity;
      result.cosine = 0;
      result.content = {Content::Kind::kVaried, 0, 1};
      notes.push_back(found == tf.end() ? fmt::format("output `{}`: TensorFlow does not give it", name)
                                        : fmt::format("output `{}`: PyTorch gives {}{}, TensorFlow {}{}", name,
                                                      name_of(pt.dtype()), to_string(pt.dims()),
                                                      name_of(found->second.dtype()), to_string(found->second.dims())));
      continue;
    }
    const auto truth = pytorch.truth.find(name);
    const Tensor exact = truth == pytorch.truth.end() ? Tensor() : in_parts(truth->second);
    std::vector<Tensor> parts;
    for (const Tensor& run : runs) parts.push_back(in_parts(run));
    SymDims dims = symbolic_dims(program, name);
    if (is_complex(pt.dtype()) && dims.size() == pt.dims().size()) dims.emplace_back(2);
    measure(result, parts, truth == pytorch.truth.end() ? nullptr : &exact, in_parts(found->second),
            masks.of(dims, parts.front().dims()), notes);
  }
  for (const auto& [name, value] : tf) {
    if (!pytorch.runs.contains(name)) notes.push_back(fmt::format("output `{}`: PyTorch does not give it", name));
  }
  return results;
}

Verdict judge(const OutputResult& output, double limit) {
  if (output.max_error <= limit || output.units <= 1) {  // comparisons with kUnknown are false
    return reason_for_nothing(output).empty() ? Verdict::kVerified : Verdict::kUnverified;
  }
  // PyTorch's own run is in the noise unless it is no rounding (see `measure`).
  const bool is_noise = output.tf_truth <= kLargestRatio * output.noise &&
                        output.tf_truth_rms <= kRmsRatio * output.noise_rms && output.pt_truth <= output.noise;
  return std::isfinite(output.max_error) && is_noise ? Verdict::kWithinNoise : Verdict::kMismatch;
}

std::string reason_for_nothing(const OutputResult& output) {
  switch (output.content.kind) {
    case Content::Kind::kEmpty: return "no position of it is visible";
    case Content::Kind::kNotFinite: return "NaN or infinity at every position, in PyTorch as well";
    // A single number may be any.
    case Content::Kind::kOneValue:
      return output.content.count < 2 ? "" : fmt::format("{:g} at every position and shape", output.content.value);
    case Content::Kind::kVaried: break;
  }
  return "";
}

Verdict worse(Verdict a, Verdict b) {
  const auto rank = [](Verdict v) {
    return v == Verdict::kUnverified ? 0 : v == Verdict::kVerified ? 1 : v == Verdict::kWithinNoise ? 2 : 3;
  };
  return rank(a) < rank(b) ? b : a;
}

void merge(std::vector<OutputResult>& into, const std::vector<OutputResult>& shape) {
  for (const OutputResult& output : shape) {
    const auto found = std::ranges::find(into, output.name, &OutputResult::name);
    if (found == into.end()) {
      into.push_back(output);
      continue;
    }
    const Verdict verdict = worse(found->verdict, output.verdict);
    const Content content = joined(found->content, output.content);
    if (output.max_error > found->max_error) *found = output;
    found->verdict = verdict;
    found->content = content;
  }
}

void settle_verdict(Result& result, bool strict) {
  if (result.outputs.empty()) {
    result.notes.emplace_back("no shape could be compared");
    return;
  }
  result.max_error = 0;
  std::vector<std::string> nothing;
  for (OutputResult& output : result.outputs) {
    // One shape alone may show nothing where others do.
    const std::string reason = reason_for_nothing(output);
    if (output.verdict == Verdict::kUnverified && reason.empty()) output.verdict = Verdict::kVerified;
    if (output.verdict == Verdict::kVerified && !reason.empty()) output.verdict = Verdict::kUnverified;
    if (output.verdict == Verdict::kUnverified) nothing.push_back(fmt::format("`{}`: {}", output.name, reason));
    if (strict && output.verdict == Verdict::kWithinNoise) output.verdict = Verdict::kMismatch;
    result.verdict = worse(result.verdict, output.verdict);
    result.max_error = std::max(result.max_error, output.max_error);
  }
  tell_of_one_shape(result);
  if (nothing.empty()) return;
  if (!result.verdict_note.empty()) result.verdict_note += "; ";
  result.verdict_note += fmt::format("{} of {} outputs {} nothing to compare: {}", nothing.size(),
                                     result.outputs.size(), nothing.size() == 1 ? "shows" : "show", nothing.front());
  for (const std::string& note : nothing) result.notes.push_back("output " + note);
}

}  // namespace crossload::verify
