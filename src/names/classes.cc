#include "names/classes.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "names/exceptions.h"
#include "names/pattern.h"

namespace crossload::names {
namespace {

constexpr ClassRow kClasses[] = {
#include "names/class_table.inc"
};

bool is_below(std::string_view path, std::string_view layer) {
  return path.starts_with(layer) && (path.size() == layer.size() || path[layer.size()] == '/');
}

int number(std::string_view text) {
  int value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ptr != text.data() + text.size()) {
    internal_error("class_table.inc: `{}` is no number", text);
  }
  return value;
}

/// Evaluates `dropout_{1+3*attention}` with the number of modules counted in the checkpoint.
std::string counted(std::string_view text, const std::set<std::string>& modules) {
  const std::size_t open = text.find('{');
  if (open == text.npos) return std::string(text);
  const std::size_t plus = text.find('+', open), times = text.find('*', plus), close = text.find('}', times);
  if (close == text.npos) internal_error("class_table.inc: `{}` is no formula", text);
  const Pattern pattern(text.substr(times + 1, close - times - 1), '.');
  const auto count = std::ranges::count_if(
      modules, [&](const auto& module) { return pattern.match_end(split(module, '.')).has_value(); });
  const int base = number(text.substr(open + 1, plus - open - 1));
  const int each = number(text.substr(plus + 1, times - plus - 1));
  return fmt::format("{}{}{}", text.substr(0, open), base + each * count, text.substr(close + 1));
}

Layer parse_layer(std::string_view text, const std::set<std::string>& modules) {
  Layer layer;
  if (text.starts_with('~')) layer.presence = Layer::Presence::kAlways, text.remove_prefix(1);
  if (text.starts_with('?')) layer.presence = Layer::Presence::kWithWeights, text.remove_prefix(1);
  const std::size_t formula_end = text.find('}');
  std::size_t end = text.find_first_of("!+", formula_end == text.npos ? 0 : formula_end);
  layer.name = counted(text.substr(0, end), modules);
  while (end != text.npos) {
    const char mark = text[end];
    const std::size_t begin = end + 1;
    end = text.find_first_of("!+", begin);
    const auto word = std::string(text.substr(begin, end == text.npos ? text.npos : end - begin));
    (mark == '!' ? layer.left_out : layer.shared).push_back(word);
  }
  return layer;
}

}  // namespace

bool Layer::shares(std::string_view path) const {
  return std::ranges::any_of(shared, [&](const auto& one) {
    if (one.find('#') == one.npos) return is_below(path, one);
    return Pattern(one, '/').match_end(split(path, '/')).has_value();
  });
}

std::string_view resolved_type(std::string_view model_type) {
  for (const auto& row : alias_rows()) {
    if (row.type == model_type) return row.same_as;
  }
  return model_type;
}

const ClassRow* base_class(std::string_view model_type) {
  const auto* found = std::ranges::find(kClasses, resolved_type(model_type), &ClassRow::type);
  return found == std::end(kClasses) ? nullptr : found;
}

bool maps_weights_of(std::string_view model_type) { return base_class(model_type) != nullptr; }

bool has_tf_class(std::string_view model_type) {
  return maps_weights_of(model_type) || std::ranges::find(unmapped_types(), model_type) != unmapped_types().end();
}

const ClassRow& class_of(const Model& model) {
  const ClassRow* base = base_class(model.model_type);
  std::string_view name = model.class_name;
  if (name.empty() && base != nullptr) return *base;
  if (name.starts_with("TF")) name.remove_prefix(2);
  const auto* found = std::ranges::find(kClasses, name, &ClassRow::pt_class);
  if (found != std::end(kClasses)) return *found;
  if (base == nullptr) {
    const char* seen = has_tf_class(model.model_type)
                           ? "has TensorFlow classes in Transformers 4.46 whose weights' names are not known here"
                           : "has no TensorFlow class in Transformers 4.46";
    fail(ErrorKind::kUnsupported, "config.json: model type `{}` {}; {}", model.model_type, seen,
         "convert it to a SavedModel with `crossload convert`");
  }
  std::vector<std::string> others;
  for (const auto& row : kClasses) {
    if (row.type == base->type) others.emplace_back(row.pt_class);
  }
  const std::string message = fmt::format(
      "config.json: class `{}` has no TensorFlow class in Transformers 4.46; {} of model type `{}` have one, choose "
      "one with "
      "`--class`",
      name, others.size(), model.model_type);
  throw Error(ErrorKind::kUnsupported, message, std::move(others));
}

std::vector<Layer> layers_of(const ClassRow& row, const std::set<std::string>& modules) {
  std::vector<Layer> layers;
  for (const auto& text : split(row.layers, ' ')) layers.push_back(parse_layer(text, modules));
  return layers;
}

bool is_of_main_layer(const ClassRow& row, std::string_view path) {
  const Path parts = split(path, '/');
  if (row.main_layer.empty() || parts[0] != row.main_layer) return true;
  const auto is_part = [&](const auto& part) {
    return Pattern("^" + part, '/').match_at(std::span(parts).subspan(1), 0).has_value();
  };
  return parts.size() > 1 && std::ranges::any_of(split(row.parts, ' '), is_part);
}

std::string scope_of(std::string_view tf_class) {
  // As Keras's to_snake_case: a break before each capital that a small letter follows or precedes.
  const auto is_upper = [&](std::size_t i) { return tf_class[i] >= 'A' && tf_class[i] <= 'Z'; };
  const auto is_lower = [&](std::size_t i) { return tf_class[i] >= 'a' && tf_class[i] <= 'z'; };
  std::string scope;
  for (std::size_t i = 0; i < tf_class.size(); ++i) {
    if (i > 0 && is_upper(i) && ((i + 1 < tf_class.size() && is_lower(i + 1)) || is_lower(i - 1))) scope += '_';
    scope += static_cast<char>(is_upper(i) ? tf_class[i] - 'A' + 'a' : tf_class[i]);
  }
  return scope;
}

}  // namespace crossload::names
