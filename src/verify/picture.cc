// An axis is told by its error profile: the mean error at each of its positions. Where the error sits at one position
// the profile has one peak; where it is everywhere the profile is flat, and the axis shows nothing.
#include "verify/picture.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace crossload::verify {
namespace {

constexpr int64_t kSpread = 300, kWorst = 100;  // points
constexpr int64_t kMostCells = 48;              // along an axis

/// Three digits are all that a picture shows.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10.0, 2 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) ? std::round(value * scale) / scale : value;
}

double error_between(double pt, double tf) {
  if (pt == tf || (std::isnan(pt) && std::isnan(tf))) return 0;
  const double error = std::abs(pt - tf);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

/// Calls `use(flat index, index)` for each visible element.
template <typename Use>
void for_each_visible(const Dims& dims, const Visibility& visible, const Use& use) {
  const int64_t count = element_count(dims);
  Dims index(dims.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    if (visible.rows.empty() || visible.rows[static_cast<std::size_t>(i / visible.inner)] != 0) use(i, index);
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

/// Of one axis: the sum of the errors at each of its positions, and of how many elements.
struct Profile {
  std::vector<double> sums, counts;
};

/// 0 for a flat profile, towards 1 for one with a single peak.
double unevenness(const Profile& profile) {
  double total = 0, largest = 0, used = 0;
  for (std::size_t i = 0; i < profile.sums.size(); ++i) {
    if (profile.counts[i] == 0) continue;
    const double mean = std::min(profile.sums[i] / profile.counts[i], 1e300);
    total += mean;
    largest = std::max(largest, mean);
    ++used;
  }
  return largest == 0 ? 0 : 1 - total / used / largest;
}

std::vector<int> telling_axes(const Dims& dims, const std::vector<Profile>& profiles) {
  std::vector<int> axes;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] > 1) axes.push_back(static_cast<int>(axis));
  }
  std::ranges::stable_sort(
      axes, [&](int a, int b) { return unevenness(profiles[std::size_t(a)]) > unevenness(profiles[std::size_t(b)]); });
  if (axes.size() > 2) axes.erase(axes.begin() + 2, axes.end());
  std::ranges::sort(axes);
  return axes;
}

}  // namespace

std::optional<ErrorPicture> picture_of(const Tensor& pt, const Tensor& tf, const Visibility& visible,
                                       const std::vector<std::string>& names) {
  const Dims& dims = pt.dims();
  ErrorPicture picture;
  picture.shape = dims;
  std::vector<Profile> profiles(dims.size());
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    profiles[axis].sums.resize(std::size_t(dims[axis]));
    profiles[axis].counts.resize(std::size_t(dims[axis]));
  }
  int64_t seen = 0;
  std::vector<std::pair<double, int64_t>> worst;  // a heap, the least of them on top
  for_each_visible(dims, visible, [&](int64_t i, const Dims& index) {
    ++seen;
    const double error = error_between(element_as_double(pt, i), element_as_double(tf, i));
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      profiles[axis].sums[std::size_t(index[axis])] += error;
      ++profiles[axis].counts[std::size_t(index[axis])];
    }
    if (static_cast<int64_t>(worst.size()) == kWorst && !(error > worst.front().first)) return;
    worst.emplace_back(error, i);
    std::ranges::push_heap(worst, std::greater());
    if (static_cast<int64_t>(worst.size()) > kWorst) {
      std::ranges::pop_heap(worst, std::greater());
      worst.pop_back();
    }
  });
  if (seen == 0) return std::nullopt;

  const auto [most, at] = *std::ranges::max_element(worst, {}, &std::pair<double, int64_t>::first);
  picture.max_error = most;
  picture.worst = Dims(dims.size(), 0);
  for (int64_t axis = static_cast<int64_t>(dims.size()) - 1, rest = at; axis >= 0; --axis) {
    picture.worst[std::size_t(axis)] = rest % dims[std::size_t(axis)];
    rest /= dims[std::size_t(axis)];
  }
  const auto add_point = [&](int64_t i) {
    const double a = element_as_double(pt, i), b = element_as_double(tf, i);
    if (std::isfinite(a) && std::isfinite(b)) picture.points.emplace_back(float(a), float(b));
  };
  for (const auto& [error, i] : worst) add_point(i);

  picture.axes = telling_axes(dims, profiles);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    picture.axis_names.push_back(i < names.size() ? names[i] : "axis " + std::to_string(i));
  }
  for (const int axis : picture.axes) picture.cells.push_back(std::min(dims[std::size_t(axis)], kMostCells));
  const int64_t columns = picture.cells.empty() ? 1 : picture.cells.back();
  const int64_t rows = picture.cells.size() == 2 ? picture.cells.front() : 1;
  picture.errors.assign(std::size_t(rows * columns), kUnknown);
  const auto cell_along = [&](std::size_t shown, const Dims& index) {
    const auto axis = std::size_t(picture.axes[shown]);
    return index[axis] * picture.cells[shown] / dims[axis];
  };
  int64_t number = 0;
  const int64_t step = std::max<int64_t>(1, seen / kSpread);
  for_each_visible(dims, visible, [&](int64_t i, const Dims& index) {
    if (number++ % step == 0) add_point(i);
    const std::size_t shown = picture.axes.size();
    const int64_t row = shown == 2 ? cell_along(0, index) : 0;
    const int64_t column = shown == 0 ? 0 : cell_along(shown - 1, index);
    double& cell = picture.errors[std::size_t(row * columns + column)];
    const double error = error_between(element_as_double(pt, i), element_as_double(tf, i));
    if (!(cell >= error)) cell = error;
  });
  for (double& cell : picture.errors) cell = rounded(cell);
  return picture;
}

bool is_real(const Tensor& tensor) { return is_floating(tensor.dtype()) && !is_complex(tensor.dtype()); }

std::optional<ErrorPicture> picture_of_worst(const program::Program& program, const CaseValues& pytorch,
                                             const Masks& masks, const std::map<std::string, Tensor>& tf,
                                             const std::vector<OutputResult>& outputs) {
  const auto worst = std::ranges::max_element(outputs, {}, &OutputResult::max_error);
  if (worst == outputs.end()) return std::nullopt;
  const Tensor& pt = pytorch.runs.at(worst->name).front();
  const auto found = tf.find(worst->name);
  if (found == tf.end() || found->second.dims() != pt.dims() || !is_real(pt) || !is_real(found->second)) {
    return std::nullopt;
  }
  const SymDims dims = symbolic_dims(program, worst->name);
  auto picture = picture_of(pt, found->second, masks.of(dims, pt.dims()), axis_names(program, dims));
  if (picture) picture->output = worst->name;
  return picture;
}

std::vector<std::string> axis_names(const SymDims& dims, const SymDims& text, const Sym& batch) {
  std::vector<std::string> names;
  const bool has_batch = !dims.empty() && dims.front() == batch;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) {
    if (axis == 0 && has_batch) {
      names.emplace_back("batch");
    } else if (text.size() == 2 && dims[axis] == text[1]) {
      names.emplace_back("position");
    } else {
      names.push_back("axis " + std::to_string(axis));
    }
  }
  const auto is_plain = [&](std::size_t axis) { return names[axis].starts_with("axis"); };
  if (dims.size() == 4 && has_batch && is_plain(1)) {
    const bool is_attention = names[2] == "position";
    names[1] = is_attention ? "head" : "channel";
    if (is_attention && is_plain(3)) names[3] = "channel";
    if (!is_attention && is_plain(2) && is_plain(3)) {
      names[2] = "row";
      names[3] = "column";
    }
  } else if ((dims.size() == 2 || dims.size() == 3) && is_plain(dims.size() - 1)) {
    names.back() = "channel";
  }
  return names;
}

std::vector<std::string> axis_names(const program::Program& program, const SymDims& dims) {
  SymDims text;
  std::optional<Sym> batch;
  for (const program::ProgramInput& input : program.inputs) {
    const auto type = program.main.tensors.find(input.value);
    if (input.kind != program::InputKind::kUser || type == program.main.tensors.end()) continue;
    const SymDims& sizes = type->second.dims;
    if (!batch && !sizes.empty()) batch = sizes.front();
    if (text.empty() && sizes.size() == 2) text = sizes;
  }
  return axis_names(dims, text, batch.value_or(Sym(-1)));
}

}  // namespace crossload::verify
