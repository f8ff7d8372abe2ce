// Reads what print.cc writes. A statement is a line; the body of a higher-order operation goes over several of them.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "program/program.h"

namespace crossload::program {
namespace {

constexpr std::array<std::string_view, 5> kMemoryFormats = {"unknown", "contiguous", "channels_last",
                                                            "channels_last_3d", "preserve"};
constexpr std::array<std::string_view, 5> kDevices = {"cpu", "cuda", "meta", "mps", "xpu"};

template <std::size_t N>
int index_of(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == word) return static_cast<int>(i);
  }
  return -1;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// `s77`, `u0`, `zf3`: the names that torch gives to symbols.
bool is_symbol_name(std::string_view word) {
  for (const std::string_view prefix : {"zuf", "zf", "s", "u"}) {
    if (!word.starts_with(prefix) || word.size() == prefix.size()) continue;
    if (word.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos) return true;
  }
  return false;
}

class TextParser {
 public:
  explicit TextParser(std::string_view text) : text_(text) {}

  Program program() {
    while (!at_end()) {
      if (peek() == '\n' || peek() == '#') {
        end_line();
      } else {
        statement();
      }
    }
    return std::move(program_);
  }

 private:
  // Characters and words.

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\n' : text_[at_]; }
  void spaces() {
    while (!at_end() && text_[at_] == ' ') ++at_;
  }
  bool sees(std::string_view token) {
    spaces();
    return text_.substr(at_).starts_with(token);
  }
  bool take(std::string_view token) {
    if (!sees(token)) return false;
    at_ += token.size();
    return true;
  }
  // Like take, for a token that must not go on with a letter: `or`, `None`.
  bool take_word(std::string_view word) {
    if (!sees(word)) return false;
    if (at_ + word.size() < text_.size() && is_word(text_[at_ + word.size()])) return false;
    at_ += word.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) broken(fmt::format("`{}`", token == "\n" ? "end of line" : token));
  }
  [[noreturn]] void broken(std::string_view wanted) {
    spaces();
    const std::size_t line =
        1 + static_cast<std::size_t>(std::count(
                text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n'));
    const std::string_view rest = text_.substr(std::min(at_, text_.size()));
    bad_input("program text line {}: found `{}`; {} is wanted", line,
              rest.substr(0, std::min(rest.find('\n'), std::size_t{40})), wanted);
  }
  std::string word(std::string_view more, std::string_view what) {
    spaces();
    const std::size_t start = at_;
    while (!at_end() && (is_word(text_[at_]) || more.find(text_[at_]) != std::string_view::npos)) ++at_;
    if (at_ == start) broken(what);
    return std::string(text_.substr(start, at_ - start));
  }
  std::string value_name() {
    expect("%");
    return word(".", "the name of a value");
  }
  int64_t integer() {
    spaces();
    int64_t value = 0;
    const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (status != std::errc()) broken("an integer");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  void end_line() {
    spaces();
    if (peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
    if (at_end()) return;
    if (peek() != '\n') broken("the end of the line");
    ++at_;
  }
  // `item, item` up to `close`.
  template <typename F>
  void items(std::string_view close, F item) {
    if (take(close)) return;
    do item();
    while (take(","));
    expect(close);
  }

  // Statements.

  void statement() {
    if (take_word("symbol")) return symbol();
    if (take_word("frozen")) {
      const std::string name = upto_equals();
      ProgramInput input{InputKind::kFrozen, name, name, true, argument()};
      program_.inputs.push_back(std::move(input));
      return end_line();
    }
    if (take_word("input")) return input(InputKind::kUser, true);
    if (take_word("parameter")) return input(InputKind::kParameter, true);
    if (take_word("buffer")) {
      const bool persistent = !take("(not persistent)");
      return input(InputKind::kBuffer, persistent);
    }
    if (take_word("constant")) return input(InputKind::kConstant, true);
    for (const bool is_mutation : {false, true}) {
      if (!take_word(is_mutation ? "mutation" : "output")) continue;
      ProgramOutput output;
      output.name = upto_equals();
      output.value = argument();
      output.is_mutation = is_mutation;
      check_defined(program_.main, output.value);
      program_.outputs.push_back(output);
      program_.main.outputs.push_back(output.value);
      return end_line();
    }
    node(program_.main);
  }

  std::string upto_equals() {
    spaces();
    const std::size_t end = text_.substr(0, text_.find('\n', at_)).find(" = ", at_);
    if (end == std::string_view::npos || end == at_) broken("a name and ` = `");
    std::string name(text_.substr(at_, end - at_));
    at_ = end + 3;
    return name;
  }

  void symbol() {
    const std::string name = word("", "a symbol");
    if (!is_symbol_name(name)) broken("a symbol such as `s77` before this");
    expect(":");
    spaces();
    Range range;
    if (!sees("..")) range.min = integer();
    expect("..");
    if (peek() == '-' || std::isdigit(static_cast<unsigned char>(peek())) != 0) range.max = integer();
    program_.ranges[name] = range;
    if (take(", traced with")) program_.hints[name] = integer();
    end_line();
  }

  void input(InputKind kind, bool persistent) {
    ProgramInput input{kind, {}, upto_equals(), persistent, {}};
    input.value = value_name();
    expect(":");
    define(program_.main, input.value);
    program_.main.inputs.push_back(input.value);
    const auto type = program_.main.tensors.find(input.value);
    if (kind != InputKind::kUser && type == program_.main.tensors.end()) broken("a tensor's type before this");
    if (type != program_.main.tensors.end() && take("# in the archive")) {
      // The values are not in the text: zeros stand for them.
      const auto dims = constant_dims(type->second.dims);
      if (!dims) broken("a constant shape, for what is in the archive");
      const std::vector<std::byte> zeros(static_cast<std::size_t>(element_count(*dims)) * size_of(type->second.dtype));
      program_.data.insert_or_assign(input.name, Tensor::copy_of(type->second.dtype, *dims, zeros));
    }
    program_.inputs.push_back(std::move(input));
    end_line();
  }

  // The type behind `:` says whether a name is a tensor or an expression.
  void define(Block& block, const std::string& name) {
    if (block.tensors.contains(name) || block.syms.contains(name))
      broken(fmt::format("a value other than `%{}`, which stands above,", name));
    if (const auto type = tensor_type()) {
      block.tensors[name] = *type;
    } else {
      block.syms[name] = expression();
    }
  }

  std::optional<TensorType> tensor_type() {
    spaces();
    const std::size_t start = at_;
    if (std::isalpha(static_cast<unsigned char>(peek())) != 0) {
      const auto dtype = dtype_from_name(word("", "a type"));
      if (dtype && peek() == '[') {
        TensorType type{*dtype, {}};
        expect("[");
        items("]", [&] { type.dims.push_back(expression()); });
        return type;
      }
    }
    at_ = start;
    return std::nullopt;
  }

  void node(Block& block) {
    Node node;
    std::vector<std::string> names;  // in the order of their types; empty for None
    const auto name = [&] {
      names.push_back(take_word("_") ? std::string() : value_name());
      return names.back();
    };
    if (sees("%") || sees("[") || sees("_ ") || sees("_,")) {
      do {
        Result result;
        if (take("[")) {
          result.is_list = true;
          items("]", [&] { result.tensors.push_back(name()); });
        } else if (const std::string one = name(); !one.empty()) {
          result.tensors.push_back(one);
        }
        node.results.push_back(std::move(result));
      } while (take(","));
      expect("=");
    }
    node.target = word(".", "an operation");
    if (node.target.find('.') == std::string::npos)
      broken(fmt::format("an operation such as `aten.add.Tensor` before this, not `{}`,", node.target));
    expect("(");
    items(")", [&] {
      NamedArgument a;
      spaces();
      const std::size_t start = at_;
      if (std::isalpha(static_cast<unsigned char>(peek())) != 0 || peek() == '_') {
        a.name = word("", "an argument");
        const bool is_name = peek() == '=' && !text_.substr(at_).starts_with("==");
        if (is_name) {
          ++at_;
        } else {
          a.name.clear();
          at_ = start;
        }
      }
      a.value = argument();
      check_defined(block, a.value);
      node.arguments.push_back(std::move(a));
    });
    if (!names.empty()) {
      expect(":");
      types(block, node);
    }
    for (const std::string& n : names) {
      if (!n.empty() && node.name.empty()) node.name = n;
    }
    if (take("#")) node.call_site = call_site();
    end_line();
    block.nodes.push_back(std::move(node));
  }

  void types(Block& block, Node& node) {
    bool is_first = true;
    for (Result& result : node.results) {
      if (!is_first) expect(",");
      is_first = false;
      const auto type_of = [&](const std::string& name) {
        if (take_word("None")) return;
        if (name.empty()) broken("`None`");
        define(block, name);
      };
      if (!result.is_list) {
        type_of(result.tensors.empty() ? std::string() : result.tensors[0]);
        if (!result.tensors.empty() && block.syms.contains(result.tensors[0])) {
          result.sym = result.tensors[0];
          result.tensors.clear();
        }
        continue;
      }
      expect("[");
      for (std::size_t i = 0; i < result.tensors.size(); ++i) {
        if (i > 0) expect(",");
        type_of(result.tensors[i]);
      }
      expect("]");
    }
  }

  // `module Class file.py:12`, each of the three may be missing.
  int call_site() {
    CallSite site;
    while (true) {
      spaces();
      if (at_end() || peek() == '\n') break;
      const std::size_t start = at_;
      while (!at_end() && peek() != ' ' && peek() != '\n') ++at_;
      const std::string part(text_.substr(start, at_ - start));
      const std::size_t colon = part.rfind(':');
      const bool is_source = colon != std::string::npos && colon + 1 < part.size() &&
                             part.find_first_not_of("0123456789", colon + 1) == std::string::npos;
      if (is_source) {
        site.source = part;
      } else if (std::isupper(static_cast<unsigned char>(part[0])) != 0) {
        site.module_class = part;
      } else {
        site.call = part;
        site.module = part.substr(0, part.find('@'));
      }
    }
    for (std::size_t i = 0; i < program_.call_sites.size(); ++i) {
      const CallSite& known = program_.call_sites[i];
      if (known.call == site.call && known.module_class == site.module_class && known.source == site.source)
        return static_cast<int>(i);
    }
    program_.call_sites.push_back(std::move(site));
    return static_cast<int>(program_.call_sites.size()) - 1;
  }

  // `{(%x : float32[3])`, nodes, `return [%y]}`
  std::shared_ptr<const Block> block() {
    auto inner = std::make_shared<Block>();
    expect("{(");
    items(")", [&] {
      if (take_word("_")) {
        inner->inputs.emplace_back();
        return;
      }
      inner->inputs.push_back(value_name());
      expect(":");
      define(*inner, inner->inputs.back());
    });
    end_line();
    while (!take_word("return")) {
      if (at_end()) broken("`return`");
      node(*inner);
    }
    expect("[");
    items("]", [&] {
      inner->outputs.push_back(argument());
      check_defined(*inner, inner->outputs.back());
    });
    expect("}");
    return inner;
  }

  void check_defined(const Block& block, const Argument& argument) {
    const auto check = [&](const std::string& name) {
      if (!block.tensors.contains(name)) broken(fmt::format("a tensor that stands above instead of `%{}`", name));
    };
    if (const auto* one = std::get_if<TensorRef>(&argument)) check(one->name);
    if (const auto* list = std::get_if<TensorList>(&argument)) {
      for (const auto& name : list->names) {
        if (name) check(*name);
      }
    }
  }

  // Arguments.

  Argument argument() {
    if (take("[")) return list();
    if (sees("{(")) return block();
    if (sees("%")) return TensorRef{value_name()};
    if (sees("\"")) return quoted();
    if (const auto constant = constant_word()) return *constant;
    if (const auto complex = complex_number()) return *complex;
    const Sym value = expression();
    if (value.op() == Sym::Op::kFloat) return value.real_value();
    return value;
  }

  // None, True, dtypes, layouts, formats and devices.
  std::optional<Argument> constant_word() {
    spaces();
    const std::size_t start = at_;
    if (std::isalpha(static_cast<unsigned char>(peek())) == 0) return std::nullopt;
    const std::string name = word("", "a word");
    if (name == "None") return None{};
    if (name == "True") return true;
    if (name == "False") return false;
    if (const auto dtype = dtype_from_name(name)) return ScalarType{*dtype};
    if (const int code = index_of(kMemoryFormats, name); code >= 0) return MemoryFormat{code};
    if (name == "strided") return Layout{7};
    if (index_of(kDevices, name) >= 0) return Device{name};
    if ((name == "format" || name == "layout") && take("(")) {
      const int code = static_cast<int>(integer());
      expect(")");
      if (name == "format") return MemoryFormat{code};
      return Layout{code};
    }
    at_ = start;
    return std::nullopt;
  }

  // `(1.0+2.0j)`; other parentheses belong to an expression.
  std::optional<Complex> complex_number() {
    const std::size_t start = at_;
    if (!take("(")) return std::nullopt;
    Complex value{};
    if (real(value.real) && take("+") && real(value.imag) && take("j)")) return value;
    at_ = start;
    return std::nullopt;
  }
  bool real(double& value) {
    spaces();
    const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (status != std::errc()) return false;
    at_ = static_cast<std::size_t>(end - text_.data());
    return true;
  }

  std::string quoted() {
    expect("\"");
    std::string value;
    while (!at_end() && peek() != '"') {
      if (peek() == '\n') broken("`\"`");
      if (peek() == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        value += peek() == 'n' ? '\n' : peek();
      } else {
        value += peek();
      }
      ++at_;
    }
    expect("\"");
    return value;
  }

  // A list has the kind of its items; numbers are sizes unless all of them are floats.
  Argument list() {
    std::vector<Argument> found;
    items("]", [&] { found.push_back(argument()); });
    const auto all = [&]<typename T>(T*) {
      bool yes = !found.empty();
      for (const Argument& a : found) yes = yes && std::holds_alternative<T>(a);
      return yes;
    };
    const auto collect = [&]<typename T>(T*) {
      std::vector<T> values;
      for (const Argument& a : found) values.push_back(std::get<T>(a));
      return values;
    };
    if (all(static_cast<double*>(nullptr))) return collect(static_cast<double*>(nullptr));
    if (all(static_cast<bool*>(nullptr))) return collect(static_cast<bool*>(nullptr));
    if (all(static_cast<std::string*>(nullptr))) return collect(static_cast<std::string*>(nullptr));
    TensorList tensors;
    std::vector<Sym> sizes;
    for (const Argument& a : found) {
      if (const auto* ref = std::get_if<TensorRef>(&a)) {
        tensors.names.emplace_back(ref->name);
      } else if (std::holds_alternative<None>(a)) {
        tensors.names.emplace_back(std::nullopt);
      } else if (const auto* sym = std::get_if<Sym>(&a)) {
        sizes.push_back(*sym);
      } else if (const auto* number = std::get_if<double>(&a)) {
        sizes.push_back(Sym::real(*number));
      } else {
        broken("a list of items of one kind before this");
      }
    }
    if (!tensors.names.empty() && !sizes.empty()) broken("a list of items of one kind before this");
    if (!tensors.names.empty()) return tensors;
    return sizes;
  }

  // Expressions, loosest first: or, and, not, relations, sums, products, powers.

  Sym expression() {
    Sym left = conjunction();
    while (take_word("or")) left = Sym::make(Sym::Op::kOr, {left, conjunction()});
    return left;
  }
  Sym conjunction() {
    Sym left = negation();
    while (take_word("and")) left = Sym::make(Sym::Op::kAnd, {left, negation()});
    return left;
  }
  Sym negation() {
    if (take_word("not")) return Sym::make(Sym::Op::kNot, {negation()});
    const Sym left = sum();
    using Op = Sym::Op;
    constexpr std::pair<std::string_view, Op> kRelations[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<=", Op::kLe},
                                                              {">=", Op::kGe}, {"<", Op::kLt},  {">", Op::kGt}};
    for (const auto& [sign, op] : kRelations) {
      if (take(sign)) return Sym::make(op, {left, sum()});
    }
    return left;
  }
  Sym sum() {
    Sym left = term();
    for (;;) {
      if (take("+")) {
        left = left + term();
      } else if (take("-")) {
        left = left - term();
      } else {
        return left;
      }
    }
  }
  Sym term() {
    Sym left = power();
    for (;;) {
      if (take("//")) {
        left = floor_div(left, power());
      } else if (take("/")) {
        left = Sym::make(Sym::Op::kTrueDiv, {left, power()});
      } else if (take("%")) {
        left = Sym::make(Sym::Op::kMod, {left, power()});
      } else if (!sees("**") && take("*")) {
        left = left * power();
      } else {
        return left;
      }
    }
  }
  Sym power() {
    const Sym base = atom();
    return take("**") ? Sym::make(Sym::Op::kPow, {base, power()}) : base;
  }
  Sym atom() {
    if (take("(")) {
      const Sym inner = expression();
      expect(")");
      return inner;
    }
    for (const auto& [text, value] : {std::pair{"inf", std::numeric_limits<double>::infinity()},
                                      std::pair{"-inf", -std::numeric_limits<double>::infinity()},
                                      std::pair{"nan", std::numeric_limits<double>::quiet_NaN()}}) {
      if (take_word(text)) return Sym::real(value);
    }
    spaces();
    const bool is_negative = peek() == '-';
    const char first = is_negative && at_ + 1 < text_.size() ? text_[at_ + 1] : peek();
    if (std::isdigit(static_cast<unsigned char>(first)) != 0) return number();
    if (is_negative) {
      ++at_;
      return Sym(-1) * power();
    }
    const std::string name = word("", "a number, a symbol or an argument");
    if (is_symbol_name(name)) return Sym::symbol(name);
    return function(name);
  }
  Sym number() {
    const std::size_t start = at_;
    if (peek() == '-') ++at_;
    bool is_real = false;
    while (!at_end()) {
      const char c = peek();
      const bool is_sign = (c == '-' || c == '+') && (text_[at_ - 1] == 'e');
      if (std::isdigit(static_cast<unsigned char>(c)) == 0 && c != '.' && c != 'e' && !is_sign) break;
      is_real = is_real || c == '.' || c == 'e';
      ++at_;
    }
    const std::size_t end = at_;
    at_ = start;
    if (!is_real) return integer();
    double value = 0;
    if (!real(value) || at_ != end) broken("a number");
    return Sym::real(value);
  }
  Sym function(const std::string& name) {
    using Op = Sym::Op;
    constexpr std::pair<std::string_view, Op> kFunctions[] = {
        {"Max", Op::kMax},         {"Min", Op::kMin},
        {"ToFloat", Op::kToFloat}, {"TruncToInt", Op::kTruncToInt},
        {"Abs", Op::kAbs},         {"Round", Op::kRound},
        {"Sqrt", Op::kSqrt},       {"FloorToInt", Op::kFloorToInt},
        {"Where", Op::kWhere},     {"CeilToInt", Op::kCeilToInt}};
    for (const auto& [known, op] : kFunctions) {
      if (known != name) continue;
      std::vector<Sym> operands;
      expect("(");
      items(")", [&] { operands.push_back(expression()); });
      return Sym::make(op, std::move(operands));
    }
    broken(fmt::format("a symbol or a function of sizes instead of `{}`", name));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Program program_;
};

}  // namespace

Program parse_text(std::string_view text) { return TextParser(text).program(); }

}  // namespace crossload::program
