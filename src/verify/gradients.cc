#include "verify/gradients.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/weight_writer.h"
#include "verify/compare.h"
#include "verify/layout.h"
#include "verify/outputs.h"
#include "verify/visibility.h"

namespace crossload::verify {
namespace {

/// A sign for each element, without a pattern that the outputs could share (splitmix64).
double sign_of(uint64_t index) {
  uint64_t z = index * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return ((z ^ (z >> 31)) & 1) != 0 ? 1 : -1;
}

Tensor coefficients_of(const Tensor& output, const Visibility& visible, uint64_t seed) {
  const auto count = static_cast<std::size_t>(output.count());
  std::vector<float> values(count, 0);
  double used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_visible = visible.rows.empty() || visible.rows[i / static_cast<std::size_t>(visible.inner)] != 0;
    if (!is_visible || !std::isfinite(element_as_double(output, static_cast<int64_t>(i)))) continue;
    values[i] = static_cast<float>(sign_of(seed + i));
    ++used;
  }
  for (float& value : values) value = used == 0 ? 0 : static_cast<float>(value / std::sqrt(used));
  return used == 0 ? Tensor() : Tensor::of<float>(DType::kFloat32, output.dims(), values);
}

double largest_in(const Tensor& tensor) {
  double largest = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double value = std::abs(element_as_double(tensor, i));
    if (!(value <= largest)) largest = std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
  }
  return largest;
}

std::string module_of(const std::string& parameter) {
  const std::size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

class Comparison {
 public:
  Comparison(const GradientRequest& request, std::vector<std::string>& notes) : request_(request), notes_(notes) {}

  GradientReport run() {
    report_.max_error = 0;
    if (!request_.error.empty()) {
      report_.error = request_.error;
      report_.verdict = Verdict::kMismatch;
      report_.max_error = std::numeric_limits<double>::infinity();
      return std::move(report_);
    }
    pt_ = read_case(request_.pt_file);
    parameters_ = open_safetensors(request_.pt_file);
    if (request_.tf_without.size() < request_.variables.size()) tf_ = open_safetensors(request_.tf_file);
    for (const Parameter& one : request_.parameters) compare_one(one);
    mark_first();
    return std::move(report_);
  }

 private:
  void compare_one(const Parameter& one) {
    std::vector<std::string> variables;
    for (const auto& [variable, parameter] : request_.variables) {
      const bool is_it = parameter == one.name || std::ranges::find(one.aliases, parameter) != one.aliases.end();
      if (is_it) variables.push_back(variable);
    }
    if (variables.empty() && request_.is_by_layers && !request_.pt_without.contains(one.name)) {
      report_.unpaired.push_back(one.name);
      return;
    }
    if (variables.size() > 1) report_.untied.push_back(one.name);
    if (one.frozen && !variables.empty()) report_.frozen.push_back(one.name);
    std::erase_if(variables, [&](const std::string& name) { return request_.tf_without.contains(name); });
    const bool has_pt = !request_.pt_without.contains(one.name) && pt_.runs.contains(one.name);
    // None, and a gradient that is 0 everywhere, say the same.
    const double pt_largest = has_pt ? largest_in(pt_.runs.at(one.name).front()) : 0;
    if (variables.empty() || pt_largest == 0) {
      double tf_largest = 0;
      for (const std::string& name : variables) {
        tf_largest = std::max(tf_largest, largest_in(tf_.tensor("gradient/" + name)));
      }
      if (tf_largest == 0 && pt_largest == 0) {
        report_.without.push_back(one.name);
        return;
      }
      if (!has_pt || variables.empty()) {
        (has_pt ? report_.only_pytorch : report_.only_tensorflow).push_back(one.name);
        raise(Verdict::kMismatch, std::max(pt_largest, tf_largest));
        return;
      }
    }
    GradientResult& result = report_.parameters.emplace_back();
    result.variable = variables.front();
    result.largest = pt_largest;
    measure(one, result);
    if (variables.size() > 1) result.of.verdict = Verdict::kMismatch;
    raise(result.of.verdict, result.of.max_error);
  }

  void measure(const Parameter& one, GradientResult& result) {
    CaseValues alone;
    const std::vector<Tensor>& runs = alone.runs[one.name] = pt_.runs.at(one.name);
    if (const auto truth = pt_.truth.find(one.name); truth != pt_.truth.end()) alone.truth.insert(*truth);
    const Tensor tf = in_layout_of(one.name, result.variable, runs.front());
    std::vector<std::string> notes;
    const program::Program nothing;
    result.of = compare_outputs(nothing, alone, Masks(nothing, {}), {{one.name, tf}}, notes).front();
    for (const std::string& note : notes) notes_.push_back("gradient of " + note);
    OutputResult& of = result.of;
    of.verdict = judge(of, request_.limit);
    if (of.verdict == Verdict::kVerified && result.largest <= request_.limit) of.verdict = Verdict::kUnverified;
    if (of.verdict == Verdict::kWithinNoise && request_.strict) of.verdict = Verdict::kMismatch;
  }

  /// TensorFlow's gradient in the parameter's layout and dtype; as it is where no layout fits.
  Tensor in_layout_of(const std::string& parameter, const std::string& variable, const Tensor& pt) const {
    const Tensor gradient = tf_.tensor("gradient/" + variable);
    const std::vector<Tensor> gradients = weight_in_pt_layouts(gradient, pt.dims());
    if (gradients.empty()) return gradient;
    std::size_t nearest = 0;
    if (gradients.size() > 1) {
      const auto value = in_pt_dtype(parameters_.tensor("parameter/" + parameter), DType::kFloat32);
      const std::vector<Tensor> values = weight_in_pt_layouts(tf_.tensor("variable/" + variable), pt.dims());
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; value && i < values.size(); ++i) {
        const double error = compare(*value, values[i], {}).mean;
        if (error >= least) continue;
        least = error;
        nearest = i;
      }
    }
    return in_pt_dtype(gradients[nearest], pt.dtype()).value_or(gradients[nearest]);
  }

  void raise(Verdict verdict, double error) {
    report_.verdict = worse(report_.verdict, verdict);
    report_.max_error = std::max(report_.max_error, error);
  }

  int place_of(std::string module) const {
    for (;; module = module_of(module)) {
      const auto found = request_.order.find(module);
      if (found != request_.order.end()) return found->second;
      if (module.empty()) return -1;
    }
  }

  void mark_first() {
    GradientResult* first = nullptr;
    int last_place = -2;
    for (GradientResult& result : report_.parameters) {
      const int place = place_of(module_of(result.of.name));
      if (result.of.verdict != Verdict::kMismatch || place <= last_place) continue;
      last_place = place;
      first = &result;
    }
    if (first != nullptr) first->is_first = true;
  }

  const GradientRequest& request_;
  std::vector<std::string>& notes_;
  GradientReport report_;
  CaseValues pt_;
  Checkpoint parameters_, tf_;
};

}  // namespace

std::filesystem::path write_coefficients(const program::Program& program, const Case& one,
                                         const std::filesystem::path& folder) {
  const CaseValues pytorch = read_case(one.file);
  std::vector<std::string> told;  // with the outputs
  const Masks masks = masks_of(program, pytorch, told);
  std::vector<NewTensor> tensors;
  uint64_t seed = 0;
  for (const auto& [name, runs] : pytorch.runs) {
    const Tensor& output = runs.front();
    if (!is_floating(output.dtype()) || is_complex(output.dtype())) continue;
    const Tensor found = coefficients_of(output, masks.of(symbolic_dims(program, name), output.dims()), seed);
    seed += static_cast<uint64_t>(output.count());
    if (found.count() == 0) continue;
    NewTensor& added = tensors.emplace_back();
    added.name = "coefficient/" + name;
    added.dtype = found.dtype();
    added.dims = found.dims();
    added.source = [found] { return StridedTensor(found); };
  }
  if (tensors.empty()) {
    bad_input("--gradients: no output of the model has a floating-point number to differentiate; verify without");
  }
  write_safetensors(folder, std::move(tensors), std::numeric_limits<uint64_t>::max(), {});
  return folder / "model.safetensors";
}

GradientReport compare_gradients(const GradientRequest& request, std::vector<std::string>& notes) {
  return Comparison(request, notes).run();
}

void add_gradients(GradientReport gradients, Result& result) {
  result.verdict = worse(result.verdict, gradients.verdict);
  const auto tell = [&](const std::string& text) {
    result.verdict_note += (result.verdict_note.empty() ? "" : "; ") + text;
  };
  const auto mismatches = std::ranges::count_if(
      gradients.parameters, [](const GradientResult& one) { return one.of.verdict == Verdict::kMismatch; });
  const auto small = std::ranges::count_if(
      gradients.parameters, [](const GradientResult& one) { return one.of.verdict == Verdict::kUnverified; });
  if (!gradients.error.empty()) tell("TensorFlow computes no gradients: " + gradients.error);
  if (mismatches > 0) {
    tell(fmt::format("{} of {} gradients are a mismatch, up to {:.1e}", mismatches, gradients.parameters.size(),
                     gradients.max_error));
  }
  const auto one_sided = gradients.only_pytorch.size() + gradients.only_tensorflow.size();
  if (one_sided > 0) tell(fmt::format("{} parameters have a gradient on one side only", one_sided));
  if (gradients.error.empty() && gradients.parameters.empty()) tell("no parameter has a gradient");
  if (!gradients.unpaired.empty()) {
    tell(fmt::format("gradients of {} parameters were not compared: no layer has their variable",
                     gradients.unpaired.size()));
  }
  if (small > 0) {
    tell(fmt::format("{} of {} gradients are nowhere larger than the limit, which shows nothing", small,
                     gradients.parameters.size()));
  }
  result.gradients = std::move(gradients);
}

std::map<std::string, int> order_of_modules(const program::Program& program) {
  std::map<std::string, int> order;
  for (std::size_t i = 0; i < program.main.nodes.size(); ++i) {
    const int site = program.main.nodes[i].call_site;
    const std::string module = site < 0 ? "" : program.call_sites[static_cast<std::size_t>(site)].module;
    order[module] = static_cast<int>(i);
  }
  return order;
}

}  // namespace crossload::verify
