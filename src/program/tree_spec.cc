// A specification is `[1, node]`; a node is {"type", "context", "children_spec"}, a leaf's type is null. What the
// context holds depends on the type: the keys of a dict or the field names of a Transformers output (a JSON array in a
// string), the name of a namedtuple's type, or, for Transformers' caches, a tree of attributes in which {"_t":
// "tensor", "i": n} stands for child n.
#include "program/tree_spec.h"

#include <set>

#include "base/error.h"
#include "program/json.h"

namespace crossload::program {
namespace {

std::string joined(const std::string& prefix, std::string_view step) {
  return prefix.empty() ? std::string(step) : fmt::format("{}.{}", prefix, step);
}

// A key of a dict, as text; nothing for what is no scalar.
std::optional<std::string> key_text(Json key) {
  if (key.is_string()) return std::string(key.string());
  if (key.is_null() || key.is_array() || key.is_object()) return std::nullopt;
  return key.scalar_text();
}

std::optional<std::vector<std::string>> key_list(Json keys, std::size_t count) {
  if (!keys.is_array()) return std::nullopt;
  std::vector<std::string> result;
  bool all_scalars = true;
  keys.each([&](Json key) {
    auto text = key_text(key);
    all_scalars &= text.has_value();
    result.push_back(std::move(text).value_or(""));
  });
  if (!all_scalars || result.size() != count) return std::nullopt;
  return result;
}

// The attribute path of each child in the tree that a cache's context records.
void record_paths(Json tree, const std::string& path, std::vector<std::string>& steps) {
  if (tree.is_array()) {
    std::size_t i = 0;
    tree.each([&](Json item) { record_paths(item, joined(path, std::to_string(i++)), steps); });
    return;
  }
  if (!tree.is_object()) return;
  const auto tag = tree.find("_t");
  if (!tag) {
    tree.each_field([&](std::string_view key, Json value) { record_paths(value, joined(path, key), steps); });
    return;
  }
  const std::string_view kind = tag->string();
  if (kind == "tensor" || kind == "sym") {
    const int64_t child = tree.at("i").integer();
    if (child >= 0 && static_cast<std::size_t>(child) < steps.size()) steps[static_cast<std::size_t>(child)] = path;
  } else if (kind == "obj") {
    record_paths(tree.at("s"), path, steps);
  } else if (kind == "map" || kind == "seq") {
    record_paths(tree.at("v"), path, steps);
  } else if (kind == "items") {
    tree.at("v").each([&](Json pair) {
      std::vector<Json> parts;
      pair.each([&](Json part) { parts.push_back(part); });
      if (parts.size() != 2) pair.fail("is no pair");
      record_paths(parts[1], joined(path, key_text(parts[0]).value_or("")), steps);
    });
  }
}

class Namer {
 public:
  Namer(const NamedTuples& namedtuples, const std::string& where) : namedtuples_(namedtuples), where_(where) {}

  struct Steps {
    std::vector<std::string> names;  // one a child
    bool are_names = false;          // keys or attributes, not positions
  };

  Steps steps_of(Json node, std::size_t count) const {
    Steps steps;
    for (std::size_t i = 0; i < count; ++i) steps.names.push_back(std::to_string(i));
    const std::string_view type = node.at("type").string();
    const auto context = node.find("context");
    if (type == "builtins.tuple" || type == "builtins.list" || !context) return steps;
    if (context->is_object()) {  // as PyTorch writes a defaultdict's, without putting it into a string
      if (const auto dict = context->find("dict_context")) {
        if (auto keys = key_list(*dict, count)) return {*std::move(keys), true};
      }
      return steps;
    }
    if (!context->is_string()) return steps;
    const std::string_view text = context->string();
    if (const auto tuple = namedtuples_.find(text); tuple != namedtuples_.end() && tuple->second.size() == count) {
      return {tuple->second, true};
    }
    if (!text.starts_with('[') && !text.starts_with('{')) return steps;
    const JsonDocument document(text, where_, "context of a pytree");
    const Json root = document.root();
    std::optional<std::vector<std::string>> keys;
    if (root.is_array()) {
      keys = key_list(root, count);
      if (!keys) {  // a dataclass records its fields and those that are None
        std::optional<Json> fields;
        root.each([&](Json item) { fields = fields ? fields : item; });
        if (fields) keys = key_list(*fields, count);
      }
    } else if (root.find("_t")) {
      record_paths(root, "", steps.names);
      steps.are_names = true;
    } else if (const auto dict = root.find("dict_context")) {
      keys = key_list(*dict, count);
    }
    if (keys) {
      steps.names = *std::move(keys);
      steps.are_names = true;
    }
    return steps;
  }

  void walk(Json node, const std::string& prefix, std::vector<std::string>& names) const {
    if (is_leaf(node)) {
      names.push_back(prefix);
      return;
    }
    const std::vector<Json> children = children_of(node);
    const Steps steps = steps_of(node, children.size());
    for (std::size_t i = 0; i < children.size(); ++i) walk(children[i], joined(prefix, steps.names[i]), names);
  }

  static bool is_leaf(Json node) { return node.at("type").is_null(); }

  static std::vector<Json> children_of(Json node) {
    std::vector<Json> children;
    node.at("children_spec").each([&](Json child) { children.push_back(child); });
    return children;
  }

 private:
  const NamedTuples& namedtuples_;
  const std::string& where_;
};

// Different paths can read alike, such as the keys "1" and 1: a later one gets `_2`, `_3`, …
std::vector<std::string> distinct(std::vector<std::string> names) {
  std::set<std::string> taken(names.begin(), names.end()), seen;
  for (std::string& name : names) {
    if (seen.insert(name).second) continue;
    std::string other = name;
    for (int n = 2; !taken.insert(other).second; ++n) other = fmt::format("{}_{}", name, n);
    seen.insert(name = other);
  }
  return names;
}

Json root_of(const JsonDocument& document) {
  std::vector<Json> parts;
  document.root().each([&](Json part) { parts.push_back(part); });
  if (parts.size() != 2) document.root().fail(fmt::format("has {} elements, 2 expected", parts.size()));
  if (const int64_t version = parts[0].integer(); version != 1) {
    parts[0].fail(fmt::format("says pytree version {}, 1 is known", version));
  }
  return parts[1];
}

}  // namespace

std::vector<std::string> input_names(std::string_view spec, const std::vector<std::string>& argument_names,
                                     const NamedTuples& namedtuples, const std::string& where) {
  const JsonDocument document(spec, where, "in_spec");
  const Namer namer(namedtuples, where);
  const auto pair = Namer::children_of(root_of(document));
  if (pair.size() != 2 || Namer::is_leaf(pair[0]) || Namer::is_leaf(pair[1])) {
    document.root().fail("is no pair of positional and keyword arguments");
  }
  std::vector<Json> children = Namer::children_of(pair[0]);
  const std::size_t positional = children.size();
  const std::vector<Json> keywords = Namer::children_of(pair[1]);
  children.insert(children.end(), keywords.begin(), keywords.end());
  std::vector<std::string> arguments = argument_names;
  if (arguments.size() != children.size()) {
    arguments.clear();
    for (std::size_t i = 0; i < positional; ++i) arguments.push_back(fmt::format("input.{}", i));
    for (std::string& name : namer.steps_of(pair[1], keywords.size()).names) arguments.push_back(std::move(name));
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < children.size(); ++i) namer.walk(children[i], arguments[i], names);
  return distinct(std::move(names));
}

std::vector<std::string> output_names(std::string_view spec, const NamedTuples& namedtuples, const std::string& where) {
  const JsonDocument document(spec, where, "out_spec");
  const Namer namer(namedtuples, where);
  const Json root = root_of(document);
  if (Namer::is_leaf(root)) return {"output.0"};
  const auto children = Namer::children_of(root);
  std::vector<std::string> names;
  namer.walk(root, namer.steps_of(root, children.size()).are_names ? "" : "output", names);
  return distinct(std::move(names));
}

}  // namespace crossload::program
