#include "names/namer.h"

#include <algorithm>

#include "base/error.h"
#include "names/sines.h"

namespace crossload::names {
namespace {

Tie tie_between(std::string pt, std::string same_as, Holds holds, bool pt_wants_both) {
  Pattern pt_pattern("^" + pt + "$", '.'), same_as_pattern("^" + same_as + "$", '.');
  return {std::move(pt_pattern), std::move(same_as_pattern), std::move(pt), std::move(same_as), holds, pt_wants_both};
}

std::string with_main_layer(std::string_view text, std::string_view main_layer) {
  return text.starts_with('@') ? std::string(main_layer) + std::string(text.substr(1)) : std::string(text);
}

constexpr std::size_t kMaxName = 4096;

}  // namespace

void check_name(std::string_view name) {
  if (name.empty()) bad_input("a weight's name is empty; the file must name all its weights");
  if (name.size() > kMaxName)
    bad_input("a weight's name has {} bytes; crossload reads names of up to {}", name.size(), kMaxName);
}

Namer::Namer(const Model& model)
    : type_(class_of(model).type), main_layer_(base_class(type_)->main_layer), numbers_(model.numbers), rules_(type_) {
  const std::string_view type = type_, main = main_layer_;
  for (const auto& row : tie_rows()) {
    if (!names_type(row.types, type)) continue;
    ties_.push_back(
        tie_between(with_main_layer(row.pt, main), with_main_layer(row.same_as, main), row.holds, row.pt_wants_both));
  }
  for (const auto& row : computed_rows()) {
    if (names_type(row.types, type)) computed_.emplace_back(row.pt, '.');
  }
  for (const auto& row : part_rows()) {
    if (!names_type(row.types, type)) continue;
    const auto part_type = model.parts.find(std::string(row.config));
    if (part_type == model.parts.end()) {
      bad_input("config.json: `{}` has no `model_type`; a model of type `{}` is made of others", row.config, type);
    }
    const ClassRow* base = base_class(part_type->second);
    if (base == nullptr) {
      fail(ErrorKind::kUnsupported,
           "config.json: `{}` is of model type `{}`, which has no TensorFlow class in Transformers 4.46; {}",
           row.config, part_type->second, "convert it to a SavedModel with `crossload convert`");
    }
    const std::string path(row.path);
    auto namer = std::make_unique<Namer>(
        Model{part_type->second, std::string(base->pt_class), model.tie_word_embeddings, {}, {}});
    for (const auto& tie : namer->ties_) {
      ties_.push_back(
          tie_between(path + "." + tie.pt_text, path + "." + tie.same_as_text, tie.holds, tie.pt_wants_both));
    }
    parts_.push_back({path, std::string(base->main_layer), row.is_base, std::move(namer)});
  }
}

const Namer::Part* Namer::part_of(std::string_view component) const {
  const auto found = std::ranges::find(parts_, component, &Part::path);
  return found == parts_.end() ? nullptr : &*found;
}

Path Namer::with_main_layers(Path path) const {
  const Part* part = path.size() > 1 ? part_of(path[0]) : nullptr;
  if (part != nullptr && part->is_base && !part->main_layer.empty()) path.insert(path.begin() + 1, part->main_layer);
  return path;
}

Path Namer::without_main_layers(Path path) const {
  const Part* part = path.size() > 2 ? part_of(path[0]) : nullptr;
  if (part != nullptr && part->is_base && path[1] == part->main_layer) path.erase(path.begin() + 1);
  return path;
}

Rules::Name Namer::to_tf(const Path& path, DType dtype, const Dims& dims, const Dims* weight_dims) const {
  const Part* part = path.size() > 1 ? part_of(path[0]) : nullptr;
  if (part == nullptr) return rules_.to_tf(path, dtype, dims, weight_dims);
  Rules::Name name = part->namer->to_tf({path.begin() + 1, path.end()}, dtype, dims, weight_dims);
  name.path = part->path + (name.path.starts_with('/') ? "" : "/") + name.path;
  return name;
}

Rules::Name Namer::to_pt(std::string_view path, DType dtype, const Dims& dims) const {
  const std::size_t slash = path.find('/');
  const Part* part = slash == path.npos ? nullptr : part_of(path.substr(0, slash));
  if (part == nullptr) return rules_.to_pt(path, dtype, dims);
  const std::string_view rest = path.substr(slash + 1);
  const bool outside = part->namer->is_outside_scope(rest);
  Rules::Name name = part->namer->to_pt((outside ? "/" : "") + std::string(rest), dtype, dims);
  name.path = part->path + "." + name.path;
  return name;
}

std::vector<Computed> Namer::computed_for(Side side) const {
  std::vector<Computed> found;
  const auto number = [&](std::string_view name) -> std::optional<int64_t> {
    const auto at = numbers_.find(std::string(name));
    return at == numbers_.end() ? std::nullopt : std::optional(at->second);
  };
  for (const auto& row : sines_rows()) {
    if (row.side != side || !names_type(row.types, type_)) continue;
    const auto rows = number(row.rows), width = number("d_model");
    if (!rows || !width) continue;
    constexpr int64_t kMost = int64_t{1} << 26;
    if (*rows < 1 || *width < 1 || *rows > kMost || *width > kMost || (*rows + row.more_rows) * *width > kMost) {
      bad_input("config.json: `{}` is {} and `d_model` is {}; both must be positive and their product at most {}",
                row.rows, *rows, *width, kMost);
    }
    const int64_t positions = *rows + row.more_rows;
    std::vector<float> values = sines(row.form, positions, *width, number("pad_token_id").value_or(-1));
    const auto count = static_cast<int64_t>(values.size());
    Dims dims = row.form == SinesForm::kFrequencies ? Dims{count} : Dims{positions, *width};
    found.push_back({with_main_layer(row.pt, main_layer_), std::move(dims), std::move(values)});
  }
  return found;
}

bool Namer::is_computed(const Path& path) const {
  if (std::ranges::any_of(computed_, [&](const auto& row) { return row.match_end(path).has_value(); })) return true;
  const Part* part = path.size() > 1 ? part_of(path[0]) : nullptr;
  return part != nullptr && part->namer->is_computed({path.begin() + 1, path.end()});
}

}  // namespace crossload::names
