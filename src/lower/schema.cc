#include "lower/schema.h"

#include <cctype>
#include <charconv>
#include <limits>

#include "base/error.h"

namespace crossload::lower {
namespace {

using program::Argument;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Schema parse() {
    Schema schema;
    schema.text = std::string(text_);
    const std::string qualified = until('(');
    const auto colons = qualified.find("::");
    if (colons == std::string::npos) error("a namespace");
    const std::string name = qualified.substr(colons + 2);
    const bool has_overload = name.find('.', 1) != std::string::npos;
    const std::string space = qualified.substr(0, colons);
    const bool has_no_overloads = space == "higher_order";
    schema.target = space + "." + name + (has_overload || has_no_overloads ? "" : ".default");
    skip('(');
    while (!accept(')')) {
      if (accept('*')) {
        skip(',');
        continue;
      }
      schema.arguments.push_back(argument());
      if (!peek(')')) skip(',');
    }
    skip('-');
    skip('>');
    results(schema);
    return schema;
  }

 private:
  SchemaArgument argument() {
    SchemaArgument a;
    type(a.type, a.alias, a.is_written);
    a.name = word();
    if (accept('=')) {
      a.has_default = true;
      a.default_value = value(a.type);
    }
    return a;
  }

  void type(std::string& name, std::string& alias, bool& is_written) {
    name = word();
    if (peek('(')) {
      skip('(');
      alias = word();
      is_written = accept('!');
      while (!accept(')')) ++at_;  // `a -> *`: views collected in a list
    }
    while (true) {
      if (accept('?')) {
        name += '?';
      } else if (accept('[')) {
        while (!accept(']')) ++at_;
        name += "[]";
      } else {
        return;
      }
    }
  }

  void results(Schema& schema) {
    const bool tuple = accept('(');
    if (tuple && accept(')')) return;
    do {
      std::string name, alias;
      bool is_written = false;
      type(name, alias, is_written);
      space();
      if (at_ < text_.size() && (std::isalpha(static_cast<unsigned char>(text_[at_])) != 0)) word();  // a result's name
      schema.result_aliases.push_back(alias);
    } while (tuple && accept(','));
  }

  // A default: a literal, a list of numbers, or one of PyTorch's words.
  Argument value(const std::string& type) {
    space();
    if (accept('[')) {
      std::vector<Sym> integers;
      std::vector<double> reals;
      while (!accept(']')) {
        const std::string item = literal();
        reals.push_back(std::stod(item));
        integers.emplace_back(static_cast<int64_t>(reals.back()));
        accept(',');
      }
      if (type.starts_with("float")) return reals;
      return integers;
    }
    if (peek('"') || peek('\'')) {
      const char quote = text_[at_++];
      const std::string text = until(quote);
      ++at_;
      return text;
    }
    const std::string item = literal();
    if (item == "None") return program::None{};
    if (item == "True") return true;
    if (item == "False") return false;
    if (item == "Mean") return Sym(1);  // at::Reduction
    if (item == "contiguous_format") return program::MemoryFormat{1};
    if (item == "inf") return std::numeric_limits<double>::infinity();
    if (item == "long") return program::ScalarType{DType::kInt64};
    if (item == "float") return program::ScalarType{DType::kFloat32};
    if (item.find_first_of(".e") != std::string::npos) return std::stod(item);
    int64_t integer = 0;
    const auto [end, status] = std::from_chars(item.data(), item.data() + item.size(), integer);
    if (status != std::errc() || end != item.data() + item.size()) error("a default value");
    if (type.starts_with("float")) return static_cast<double>(integer);
    return Sym(integer);
  }

  std::string literal() {
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ')' && text_[at_] != ']' && text_[at_] != ' ')
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  std::string word() {
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() && ((std::isalnum(static_cast<unsigned char>(text_[at_])) != 0) || text_[at_] == '_'))
      ++at_;
    if (at_ == start) error("a word");
    return std::string(text_.substr(start, at_ - start));
  }
  std::string until(char stop) {
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != stop) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool peek(char c) {
    space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool accept(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  void skip(char c) {
    if (!accept(c)) error(std::string(1, c));
  }
  [[noreturn]] void error(const std::string& wanted) {
    internal_error("schema `{}`: expected {} at offset {}", text_, wanted, at_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const SchemaArgument* Schema::find(std::string_view name) const {
  for (const auto& a : arguments) {
    if (a.name == name) return &a;
  }
  return nullptr;
}

const SchemaArgument* Schema::written() const {
  for (const auto& a : arguments) {
    if (a.is_written) return &a;
  }
  return nullptr;
}

const SchemaArgument* Schema::viewed(std::size_t i) const {
  if (i >= result_aliases.size() || result_aliases[i].empty()) return nullptr;
  for (const auto& a : arguments) {
    if (a.alias == result_aliases[i] && !a.is_written) return &a;
  }
  return nullptr;
}

Schema parse_schema(std::string_view text) { return Parser(text).parse(); }

}  // namespace crossload::lower
