// The model's flow is run with its inputs, and all choices are fetched. The first in the program's order that differs
// is looked at: its candidates' scores are PyTorch's values `v` with the distances `d` of float32 runs from the float64
// run (all runs take the same choices). A difference of two scores is a tie when
//     |v1 - v2| <= n(v1) + n(v2),   n(v) = max d over the scores whose magnitude is at most 2 |v| (or the median)
// where d is PyTorch's own distance plus that of its worst run, the same floor as a stage's. TensorFlow's own scores of
// both candidates must lie within twice that floor of PyTorch's: what is further away is no rounding.
#include "verify/choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "verify/claims.h"
#include "verify/compare.h"
#include "verify/layout.h"
#include "verify/pieces.h"
#include "verify/pytorch_values.h"

namespace crossload::verify {
namespace {

using program::Node;
using program::Program;
using savedmodel::Edge;
using savedmodel::Flow;
using savedmodel::PtClaim;

constexpr int kMostChoices = 200;  // that are fed, one after another
constexpr double kFurtherThanNoise = 2;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Kind { kAlongAxis, kComparison, kRounding, kOther };

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

std::string_view short_name(const Node& node) {
  std::string_view name = node.target;
  if (name.starts_with("aten.")) name.remove_prefix(5);
  return name;
}

bool is_float_rounding(std::string_view name) {
  return is_one_of(name, {"floor.default", "ceil.default", "trunc.default", "round.default"});
}

Kind kind_of(const Node& node) {
  const std::string_view name = short_name(node);
  if (is_one_of(name, {"topk.default", "sort.default", "sort.stable", "max.dim", "min.dim", "argmax.default",
                       "argmin.default", "argsort.default"})) {
    return Kind::kAlongAxis;
  }
  const std::string_view base = name.substr(0, name.find('.'));
  if (is_one_of(base, {"eq", "ne", "lt", "le", "gt", "ge"})) return Kind::kComparison;
  if (is_float_rounding(name) || is_one_of(name, {"_to_copy.default", "to.dtype", "to.device", "type_as.default"})) {
    return Kind::kRounding;
  }
  return Kind::kOther;
}

const std::string* tensor_argument(const Node& node, std::string_view name) {
  const program::Argument* argument = node.find(name);
  const auto* ref = argument == nullptr ? nullptr : std::get_if<program::TensorRef>(argument);
  return ref == nullptr ? nullptr : &ref->name;
}

std::optional<double> number_argument(const Node& node, std::string_view name) {
  const program::Argument* argument = node.find(name);
  if (argument == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<double>(argument)) return *number;
  if (const auto* sym = std::get_if<Sym>(argument); sym != nullptr && sym->is_constant()) {
    return static_cast<double>(sym->constant());
  }
  if (const auto* truth = std::get_if<bool>(argument)) return *truth ? 1.0 : 0.0;
  return std::nullopt;
}

DType dtype_in(const Program& program, const std::string& value) {
  const auto type = program.main.tensors.find(value);
  return type == program.main.tensors.end() ? DType::kComplex64 : type->second.dtype;
}

/// Distances of float32 runs from the truth, by the magnitude of the score.
class ScoreNoise {
 public:
  ScoreNoise(const Tensor& value, const Tensor& offset, const Tensor& noise) {
    for (int64_t i = 0; i < value.count(); ++i) {
      const double v = std::fabs(element_as_double(value, i));
      const double d = std::fabs(element_as_double(offset, i)) + std::fabs(element_as_double(noise, i));
      if (std::isfinite(v) && std::isfinite(d)) by_magnitude_.emplace_back(v, d);
    }
    std::ranges::sort(by_magnitude_);
    for (std::size_t i = 1; i < by_magnitude_.size(); ++i) {
      by_magnitude_[i].second = std::max(by_magnitude_[i].second, by_magnitude_[i - 1].second);
    }
  }

  double at(double score) const {
    if (by_magnitude_.empty()) return 0;
    const double median = by_magnitude_[by_magnitude_.size() / 2].first;
    const double limit = std::max(2 * std::fabs(score), median);
    const auto end = std::ranges::upper_bound(by_magnitude_, limit, {}, &std::pair<double, double>::first);
    return end == by_magnitude_.begin() ? 0 : std::prev(end)->second;
  }

 private:
  std::vector<std::pair<double, double>> by_magnitude_;
};

/// An operand of a choice: PyTorch's values, TensorFlow's where they are known, and the noise.
struct Scores {
  Tensor pt;
  std::optional<Tensor> tf;
  std::optional<ScoreNoise> noise;  // of floats

  double pt_at(int64_t i) const { return element_as_double(pt, i); }
  double tf_at(int64_t i) const { return tf ? element_as_double(*tf, i) : kUnknown; }
  double noise_at(double score) const { return noise ? noise->at(score) : 0; }
  /// Whether TensorFlow's score is one that rounding explains.
  bool is_near(int64_t i) const {
    if (!tf) return true;
    const double own = tf_at(i), theirs = pt_at(i);
    return own == theirs || std::fabs(own - theirs) <= kFurtherThanNoise * noise_at(theirs);
  }
};

/// The element of an operand that stands behind element `flat` of a result it is broadcast to.
int64_t broadcast_index(int64_t flat, const Dims& result, const Dims& operand) {
  int64_t index = 0, stride = 1;
  for (std::size_t back = 1; back <= result.size(); ++back) {
    const int64_t size = std::max<int64_t>(result[result.size() - back], 1);
    const int64_t at = flat % size;
    flat /= size;
    if (back > operand.size()) continue;
    const int64_t own = operand[operand.size() - back];
    if (own != 1) index += at * stride;
    stride *= own;
  }
  return index;
}

/// Where the elements along an axis lie.
struct AlongAxis {
  int64_t outer = 1, count = 1, inner = 1;

  int64_t place(int64_t result, int64_t slots, int64_t index) const {
    const int64_t i = result % inner, o = result / (inner * slots);
    return (o * count + index) * inner + i;
  }
};

std::optional<AlongAxis> along_axis(const Node& node, const Dims& dims) {
  const std::string_view name = short_name(node);
  const bool of_all = name.starts_with("arg") && !name.starts_with("argsort");
  std::optional<double> axis = number_argument(node, "dim");
  if (!axis && !of_all) axis = -1;
  AlongAxis result;
  if (!axis) {
    result.count = element_count(dims);
    return result;
  }
  const int64_t rank = static_cast<int64_t>(dims.size());
  const int64_t at = static_cast<int64_t>(*axis) < 0 ? static_cast<int64_t>(*axis) + rank : static_cast<int64_t>(*axis);
  if (at < 0 || at >= rank) return std::nullopt;
  for (int64_t i = 0; i < rank; ++i) {
    (i < at ? result.outer : i == at ? result.count : result.inner) *= dims[static_cast<std::size_t>(i)];
  }
  return result;
}

class ChoiceRun {
 public:
  ChoiceRun(const ChoiceRequest& request, const Flow& flow, const runtime::Runtime& runtime)
      : request_(request),
        flow_(flow),
        values_(request.program, request.values, request.masks),
        session_(unfused_session(runtime, flow, savedmodel::serialize(flow, {}))),
        all_claims_(claims_for(request.program, flow)) {
    for (const PtClaim& claim : all_claims_) {
      const std::string tensor = savedmodel::tensor_name(flow, claim.value);
      if (session_.has(tensor) && session_.dtype_of(tensor)) claims_[claim.pt_value].push_back(&claim);
    }
    feeds_ = feeds_of(flow.inputs, request.pytorch.inputs);
    for (const Node& node : request.program.main.nodes) {
      if (is_choice(request.program, node)) choices_.push_back(&node);
    }
  }

  GivenChoices run() {
    std::size_t next = 0;
    while (result_.choices.size() < kMostChoices) {
      fetched_.clear();
      next = first_that_differs(next);
      if (next == choices_.size()) {
        compare_outputs_given_choices();
        break;
      }
      result_.choices.push_back(describe(*choices_[next]));
      if (!result_.choices.back().is_tie || !feed(*choices_[next])) break;
      ++next;
    }
    return std::move(result_);
  }

 private:
  const Checkpoint::Entry* entry(const std::string& value) const { return values_.find(value); }
  Tensor pt_value(const std::string& value) const { return values_.get(value); }

  /// TensorFlow's tensors that are said to be a PyTorch value.
  const std::vector<const PtClaim*>& claims_of(const std::string& value) const {
    static const std::vector<const PtClaim*> kNone;
    const auto claims = claims_.find(value);
    return claims == claims_.end() ? kNone : claims->second;
  }

  void fetch(const std::vector<std::string>& values) {
    std::set<std::string> names;
    for (const std::string& value : values) {
      for (const PtClaim* claim : claims_of(value)) {
        const std::string tensor = savedmodel::tensor_name(flow_, claim->value);
        if (!fetched_.contains(tensor)) names.insert(tensor);
      }
    }
    if (!names.empty()) fetched_.merge(session_.run(feeds_, {names.begin(), names.end()}));
  }

  const Tensor& tf_tensor(const PtClaim& claim) const {
    return fetched_.at(savedmodel::tensor_name(flow_, claim.value));
  }

  /// TensorFlow's value in PyTorch's layout; nothing where no claim fits.
  std::optional<Tensor> tf_value(const std::string& value) const {
    if (entry(value) == nullptr) return std::nullopt;
    for (const PtClaim* claim : claims_of(value)) {
      const Tensor& tf = tf_tensor(*claim);
      if (fits(tf, *entry(value), claim->perm)) return to_pt_layout(tf, claim->perm, entry(value)->dims);
    }
    return std::nullopt;
  }

  /// The values of a node that are chosen: whole numbers and truth values, and what is rounded.
  std::vector<std::string> chosen_values(const Node& node) const {
    std::vector<std::string> found;
    for (const program::Result& result : node.results) {
      for (const std::string& value : result.tensors) {
        if (value.empty() || entry(value) == nullptr) continue;
        if (is_integral(entry(value)->dtype) || is_float_rounding(short_name(node))) found.push_back(value);
      }
    }
    return found;
  }

  Visibility visibility(const std::string& value) const { return values_.visibility(value, entry(value)->dims); }

  bool differs(const std::string& value) const {
    if (claims_of(value).empty()) return false;  // nothing is known of it; what follows from it shows
    const std::optional<Tensor> tf = tf_value(value);
    if (!tf) return true;
    const Tensor pt = pt_value(value);
    for (int64_t i = 0; i < pt.count(); ++i) {
      const double a = element_as_double(pt, i), b = element_as_double(*tf, i);
      if (a != b && !(std::isnan(a) && std::isnan(b))) return true;
    }
    return false;
  }

  std::size_t first_that_differs(std::size_t next) {
    std::vector<std::string> wanted;
    for (std::size_t i = next; i < choices_.size(); ++i) {
      for (std::string& value : chosen_values(*choices_[i])) wanted.push_back(std::move(value));
    }
    fetch(wanted);
    for (; next < choices_.size(); ++next) {
      const auto values = chosen_values(*choices_[next]);
      if (std::ranges::any_of(values, [&](const std::string& value) { return differs(value); })) break;
    }
    return next;
  }

  /// REQUIRES: the value was fetched.
  std::optional<Scores> scores_of(const std::string& value) const {
    if (entry(value) == nullptr) return std::nullopt;
    Scores scores{pt_value(value), tf_value(value), std::nullopt};
    if (!is_floating(scores.pt.dtype())) return scores;
    const auto distances = values_.offset_and_noise(value);
    if (!distances) return std::nullopt;
    scores.noise.emplace(scores.pt, distances->first, distances->second);
    return scores;
  }

  struct Candidates {
    double pt[2] = {kUnknown, kUnknown}, tf[2] = {kUnknown, kUnknown};
    double margin = kInfinity, noise = 0;
    bool is_near = true;  // TensorFlow's scores are PyTorch's but for rounding
  };

  ChoiceResult describe(const Node& node) {
    ChoiceResult result;
    result.op = node.target;
    result.node = node.name;
    result.shape = request_.label;
    if (node.call_site >= 0) {
      const program::CallSite& site = request_.program.call_sites[static_cast<std::size_t>(node.call_site)];
      result.module = site.module;
      result.source = site.source;
    }
    const auto values = chosen_values(node);
    if (values.size() != 1) return result;
    const std::optional<Tensor> tf = tf_value(values.front());
    const std::string *self = tensor_argument(node, "self"), *other = tensor_argument(node, "other");
    if (!tf || self == nullptr) return result;
    std::vector<std::string> read = {*self};
    if (other != nullptr) read.push_back(*other);
    fetch(read);
    const std::optional<Scores> left = scores_of(*self);
    std::optional<Scores> right;
    if (other != nullptr) right = scores_of(*other);
    if (!left) return result;
    const Tensor pt = pt_value(values.front());
    const Visibility visible = visibility(values.front());
    result.is_tie = true;
    double worst = -kInfinity;
    for (int64_t i = 0; i < pt.count(); ++i) {
      const double chosen[2] = {element_as_double(pt, i), element_as_double(*tf, i)};
      if (chosen[0] == chosen[1]) continue;
      ++result.count;
      if (!visible.rows.empty() && visible.rows[static_cast<std::size_t>(i / visible.inner)] == 0) continue;
      const Candidates found = candidates(node, i, pt, chosen, *left, right);
      const bool is_tie = found.margin <= found.noise && found.is_near;
      result.is_tie = result.is_tie && is_tie;
      const double excess = is_tie ? found.margin - found.noise : found.is_near ? found.margin : kInfinity;
      if (excess < worst) continue;
      worst = excess;
      std::ranges::copy(found.pt, result.pt_scores);
      std::ranges::copy(found.tf, result.tf_scores);
      result.margin = found.margin;
      result.noise = found.noise;
    }
    return result;
  }

  Candidates candidates(const Node& node, int64_t i, const Tensor& result, const double (&chosen)[2],
                        const Scores& left, const std::optional<Scores>& right) const {
    Candidates found;
    switch (kind_of(node)) {
      case Kind::kAlongAxis: {
        const std::optional<AlongAxis> axis = along_axis(node, left.pt.dims());
        if (!axis || axis->outer * axis->inner == 0) return found;
        const int64_t slots = result.count() / (axis->outer * axis->inner);
        for (int side = 0; side < 2; ++side) {
          if (!(chosen[side] >= 0 && chosen[side] < static_cast<double>(axis->count))) return found;
          const int64_t at = axis->place(i, slots, static_cast<int64_t>(chosen[side]));
          set(found, side, left, at);
        }
        break;
      }
      case Kind::kComparison: {
        set(found, 0, left, broadcast_index(i, result.dims(), left.pt.dims()));
        if (right) {
          set(found, 1, *right, broadcast_index(i, result.dims(), right->pt.dims()));
        } else if (const auto number = number_argument(node, "other")) {
          found.pt[1] = found.tf[1] = *number;
        }
        break;
      }
      case Kind::kRounding: {
        if (left.pt.count() != result.count() || std::fabs(chosen[0] - chosen[1]) > 1) return found;
        set(found, 0, left, i);
        const double x = found.pt[0];
        found.pt[1] = found.tf[1] = short_name(node) == "round.default" ? std::floor(x) + 0.5 : std::nearbyint(x);
        break;
      }
      case Kind::kOther: return found;
    }
    const double margin = std::fabs(found.pt[0] - found.pt[1]);
    if (!std::isnan(margin)) found.margin = margin;
    return found;
  }

  static void set(Candidates& found, int side, const Scores& scores, int64_t at) {
    found.pt[side] = scores.pt_at(at);
    found.tf[side] = scores.tf_at(at);
    found.noise += scores.noise_at(found.pt[side]);
    found.is_near = found.is_near && scores.is_near(at);
  }

  /// Puts PyTorch's choice in the place of TensorFlow's. The values that are chosen beside their indices are
  /// TensorFlow's own, at PyTorch's indices: an error of theirs must not be lost.
  bool feed(const Node& node) {
    std::vector<std::pair<std::string, Tensor>> fed;
    const std::string chosen = chosen_values(node).front();
    const Tensor indices = pt_value(chosen);
    for (const program::Result& result : node.results) {
      for (const std::string& value : result.tensors) {
        if (value.empty() || entry(value) == nullptr) continue;
        std::optional<Tensor> given = value == chosen ? std::optional(indices) : taken(node, indices, *entry(value));
        const std::vector<const PtClaim*>& claims = claims_of(value);
        if (claims.empty() && value != chosen && !is_read(value)) continue;
        if (!given || claims.empty()) return false;
        fetch({value});
        for (const PtClaim* claim : claims) {
          const Tensor& tf = tf_tensor(*claim);
          if (!fits(tf, *entry(value), claim->perm)) return false;
          fed.emplace_back(savedmodel::tensor_name(flow_, claim->value), to_tf_layout(*given, claim->perm, tf.dims()));
        }
      }
    }
    for (auto& [tensor, value] : fed) {
      std::erase_if(feeds_, [&](const auto& feed) { return feed.first == tensor; });
      feeds_.emplace_back(tensor, std::move(value));
    }
    return true;
  }

  /// TensorFlow's scores at PyTorch's indices.
  std::optional<Tensor> taken(const Node& node, const Tensor& indices, const Checkpoint::Entry& like) const {
    const std::string* self = tensor_argument(node, "self");
    const std::optional<Tensor> scores = self == nullptr ? std::nullopt : tf_value(*self);
    if (!scores || kind_of(node) != Kind::kAlongAxis || like.dims != indices.dims() || like.dtype != scores->dtype()) {
      return std::nullopt;
    }
    const std::optional<AlongAxis> axis = along_axis(node, scores->dims());
    if (!axis || axis->outer * axis->inner == 0) return std::nullopt;
    const int64_t slots = indices.count() / (axis->outer * axis->inner);
    const std::size_t size = size_of(scores->dtype());
    std::vector<std::byte> bytes(static_cast<std::size_t>(indices.count()) * size);
    for (int64_t i = 0; i < indices.count(); ++i) {
      const int64_t index = element_as_int(indices, i);
      if (index < 0 || index >= axis->count) return std::nullopt;
      const auto from = static_cast<std::size_t>(axis->place(i, slots, index));
      std::memcpy(bytes.data() + static_cast<std::size_t>(i) * size, scores->bytes().data() + from * size, size);
    }
    return Tensor::copy_of(scores->dtype(), like.dims, bytes);
  }

  /// Whether anything of the program reads a value.
  bool is_read(const std::string& value) const {
    const auto reads = [&](const program::Argument& argument) {
      if (const auto* ref = std::get_if<program::TensorRef>(&argument)) return ref->name == value;
      if (const auto* list = std::get_if<program::TensorList>(&argument)) {
        return std::ranges::find(list->names, std::optional(value)) != list->names.end();
      }
      return std::holds_alternative<std::shared_ptr<const program::Block>>(argument);
    };
    const Program& program = request_.program;
    return std::ranges::any_of(program.outputs, [&](const auto& output) { return reads(output.value); }) ||
           std::ranges::any_of(program.main.nodes, [&](const Node& node) {
             return std::ranges::any_of(node.arguments, [&](const auto& argument) { return reads(argument.value); });
           });
  }

  void compare_outputs_given_choices() {
    CaseValues given;
    std::map<std::string, Tensor> tf;
    std::vector<std::string> tensors;
    for (const auto& [name, edge] : flow_.outputs) tensors.push_back(savedmodel::tensor_name(flow_, edge));
    const auto values = session_.run(feeds_, tensors);
    for (const program::ProgramOutput& output : request_.program.outputs) {
      const auto* ref = std::get_if<program::TensorRef>(&output.value);
      const auto eager = request_.pytorch.runs.find(output.name);
      if (output.is_mutation || eager == request_.pytorch.runs.end()) continue;
      if (ref == nullptr || entry(ref->name) == nullptr || !flow_.outputs.contains(output.name)) return;
      const Tensor value = pt_value(ref->name);
      given.runs[output.name] = {value};
      double rounding = 0;
      if (is_floating(value.dtype())) {
        const auto distances = values_.offset_and_noise(ref->name);
        if (!distances) return;
        add_truth(given, output.name, value, distances->first, distances->second);
        rounding = std::max(request_.limit, 2 * values_.noise(ref->name));
      }
      // The values are the exported program's: choices explain nothing of an export that computes something else.
      const Tensor& model = eager->second.front();
      if (model.dtype() != value.dtype() || model.dims() != value.dims()) return;
      if (compare(model, value, visibility(ref->name)).max > rounding) return;
      tf[output.name] = values.at(savedmodel::tensor_name(flow_, flow_.outputs.at(output.name)));
    }
    if (given.runs.size() != request_.pytorch.runs.size()) return;
    std::vector<std::string> notes;
    result_.outputs = compare_outputs(request_.program, given, request_.masks, tf, notes);
    result_.is_settled = true;
  }

  static void add_truth(CaseValues& given, const std::string& name, const Tensor& value, const Tensor& offset,
                        const Tensor& noise) {
    std::vector<double> truth(static_cast<std::size_t>(value.count()));
    std::vector<std::byte> furthest;
    for (int64_t i = 0; i < value.count(); ++i) {
      const double exact = element_as_double(value, i) + element_as_double(offset, i);
      truth[static_cast<std::size_t>(i)] = exact;
      const Tensor run = scalar_tensor(value.dtype(), exact + element_as_double(noise, i));
      furthest.insert(furthest.end(), run.bytes().begin(), run.bytes().end());
    }
    given.truth[name] = Tensor::of<double>(DType::kFloat64, value.dims(), truth);
    given.runs[name].push_back(Tensor::copy_of(value.dtype(), value.dims(), furthest));  // the worst of all runs
  }

  const ChoiceRequest& request_;
  const Flow& flow_;
  const PyTorchValues values_;
  const runtime::Session session_;
  const std::vector<PtClaim> all_claims_;
  std::map<std::string, std::vector<const PtClaim*>> claims_;  // those whose tensors the session has
  std::vector<const Node*> choices_;
  runtime::Session::Feeds feeds_;
  std::map<std::string, Tensor> fetched_;
  GivenChoices result_;
};

}  // namespace

bool is_choice(const Program& program, const Node& node) {
  bool reads_floats = false, makes_whole = false;
  for (const program::NamedArgument& argument : node.arguments) {
    const auto* ref = std::get_if<program::TensorRef>(&argument.value);
    reads_floats = reads_floats || (ref != nullptr && is_floating(dtype_in(program, ref->name)));
  }
  for (const program::Result& result : node.results) {
    for (const std::string& value : result.tensors) {
      makes_whole = makes_whole || (!value.empty() && is_integral(dtype_in(program, value)));
    }
  }
  return reads_floats && (makes_whole || is_float_rounding(short_name(node)));
}

bool has_choices(const Program& program) {
  return std::ranges::any_of(program.main.nodes, [&](const Node& node) { return is_choice(program, node); });
}

GivenChoices compare_given_choices(const ChoiceRequest& request, const Flow& flow, const runtime::Runtime& runtime) {
  return ChoiceRun(request, flow, runtime).run();
}

}  // namespace crossload::verify
