// sympy's srepr: Name(argument, …, keyword=value), integers, quoted strings.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/sym.h"

namespace crossload {
namespace {

using Op = Sym::Op;

constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxCases = 64;

struct Function {
  std::string_view name;
  Op op;
  std::size_t min_operands;
  std::size_t max_operands;
};

constexpr std::size_t kAny = SIZE_MAX;
constexpr Function kFunctions[] = {
    {"Add", Op::kAdd, 0, kAny},
    {"Mul", Op::kMul, 0, kAny},
    {"Pow", Op::kPow, 2, 2},
    {"PowByNatural", Op::kPow, 2, 2},
    {"FloatPow", Op::kPow, 2, 2},
    {"FloorDiv", Op::kFloorDiv, 2, 2},
    {"CleanDiv", Op::kFloorDiv, 2, 2},
    {"Mod", Op::kMod, 2, 2},
    {"PythonMod", Op::kMod, 2, 2},
    {"Max", Op::kMax, 1, kAny},
    {"Min", Op::kMin, 1, kAny},
    {"IntTrueDiv", Op::kTrueDiv, 2, 2},
    {"FloatTrueDiv", Op::kTrueDiv, 2, 2},
    {"Rational", Op::kTrueDiv, 2, 2},
    {"ToFloat", Op::kToFloat, 1, 1},
    {"TruncToInt", Op::kTruncToInt, 1, 1},
    {"FloorToInt", Op::kFloorToInt, 1, 1},
    {"floor", Op::kFloorToInt, 1, 1},
    {"CeilToInt", Op::kCeilToInt, 1, 1},
    {"ceiling", Op::kCeilToInt, 1, 1},
    {"RoundToInt", Op::kRound, 1, 1},
    {"Equality", Op::kEq, 2, 2},
    {"Unequality", Op::kNe, 2, 2},
    {"StrictLessThan", Op::kLt, 2, 2},
    {"LessThan", Op::kLe, 2, 2},
    {"StrictGreaterThan", Op::kGt, 2, 2},
    {"GreaterThan", Op::kGe, 2, 2},
    {"And", Op::kAnd, 0, kAny},
    {"Or", Op::kOr, 0, kAny},
    {"Not", Op::kNot, 1, 1},
    {"Where", Op::kWhere, 3, 3},
    {"Abs", Op::kAbs, 1, 1},
    {"OpaqueUnaryFn_sqrt", Op::kSqrt, 1, 1},
    // Written by means of others; see SreprParser::call.
    {"ModularIndexing", Op::kMod, 3, 3},
    {"CeilDiv", Op::kFloorDiv, 2, 2},
    {"TruncToFloat", Op::kTruncToInt, 1, 1},
    {"Identity", Op::kAdd, 1, 1},
};

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '.'; }

class SreprParser {
 public:
  explicit SreprParser(std::string_view text) : text_(text) {}

  Sym parse() {
    const Sym result = expression(0);
    skip_spaces();
    if (at_ < text_.size()) fail_here("text goes on after the expression");
    return result;
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("symbolic expression @ {}: {}; the program is damaged or from a PyTorch that crossload does not know",
              at_, fmt::format(format, std::forward<Args>(args)...));
  }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }

  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void expect(char c) {
    if (peek() != c) fail_here("`{}` expected", c);
    ++at_;
  }

  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string_view name() {
    if (!is_name_start(peek())) fail_here("a name or a number expected");
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail_here("a quoted string expected");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail_here("a quoted string does not end");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }

  int64_t integer() {
    skip_spaces();
    int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail_here("an integer does not fit 64 bits");
    if (error != std::errc() || (end < text_.data() + text_.size() && *end == '.')) fail_here("an integer expected");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  // `positive=True`, `precision=53`
  void skip_keywords() {
    while (accept(',')) {
      name();
      expect('=');
      const char c = peek();
      if (c == '\'' || c == '"') {
        quoted();
      } else if (is_name_start(c)) {
        name();
      } else {
        integer();
      }
    }
  }

  Sym symbol() {
    const std::string_view text = quoted();
    if (text.empty() || !is_name_start(text[0]) || !std::all_of(text.begin(), text.end(), is_name_part)) {
      fail_here("a symbol's name is not an identifier");
    }
    skip_keywords();
    return Sym::symbol(std::string(text));
  }

  Sym real() {
    const char c = peek();
    const std::string_view text = c == '\'' || c == '"' ? quoted() : text_.substr(at_, number_length());
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) fail_here("a number expected in Float(…)");
    if (c != '\'' && c != '"') at_ += text.size();
    skip_keywords();
    return Sym::real(value);
  }

  std::size_t number_length() const {
    const std::size_t end = text_.find_first_not_of("+-.0123456789eE", at_);
    return (end == std::string_view::npos ? text_.size() : end) - at_;
  }

  // Piecewise(ExprCondPair(value, condition), …, ExprCondPair(value, true))
  Sym piecewise(int depth) {
    std::vector<std::pair<Sym, Sym>> pairs;
    do {
      const std::string_view pair = name();
      if (pair != "ExprCondPair" && pair != "Tuple") fail_here("Piecewise holds `{}`, not pairs", pair);
      expect('(');
      Sym value = expression(depth + 1);
      expect(',');
      Sym condition = expression(depth + 1);
      expect(')');
      pairs.emplace_back(std::move(value), std::move(condition));
      if (pairs.size() > kMaxCases) fail_here("Piecewise has more than {} cases", kMaxCases);
    } while (accept(','));
    if (pairs.back().second != Sym(1)) fail_here("the last case of Piecewise is not always true");
    Sym result = pairs.back().first;
    for (std::size_t i = pairs.size() - 1; i-- > 0;) {
      result = Sym::make(Op::kWhere, {pairs[i].second, pairs[i].first, result});
    }
    return result;
  }

  std::vector<Sym> operands(int depth) {
    std::vector<Sym> result;
    if (peek() == ')') return result;
    do {
      const std::size_t before = at_;
      if (is_name_start(peek())) {  // evaluate=False and the like
        name();
        if (accept('=')) {
          name();
          continue;
        }
        at_ = before;
      }
      result.push_back(expression(depth + 1));
    } while (accept(','));
    return result;
  }

  Sym call(std::string_view function, int depth) {
    if (function == "Integer") return integer();
    if (function == "Symbol" || function == "Dummy") return symbol();
    if (function == "Float") return real();
    if (function == "Piecewise") return piecewise(depth);
    const auto* const f = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                       [&](const Function& known) { return known.name == function; });
    if (f == std::end(kFunctions)) fail_here("function `{}` is not known", function);
    const std::size_t begin = at_;
    const std::vector<Sym> o = operands(depth);
    if (o.size() < f->min_operands || o.size() > f->max_operands) {
      at_ = begin;
      fail_here("`{}` has {} operands, {} expected", function, o.size(), f->min_operands);
    }
    if (function == "ModularIndexing") return Sym::make(Op::kMod, {floor_div(o[0], o[1]), o[2]});
    if (function == "CeilDiv") return Sym(-1) * floor_div(Sym(-1) * o[0], o[1]);
    if (function == "TruncToFloat") return Sym::make(Op::kToFloat, {Sym::make(Op::kTruncToInt, o)});
    return Sym::make(f->op, o);
  }

  Sym expression(int depth) {
    if (depth > kMaxDepth) fail_here("nested deeper than {}", kMaxDepth);
    const char c = peek();
    if (c == '-' || (c >= '0' && c <= '9')) return integer();
    const std::string_view word = name();
    if (word == "true" || word == "True") return 1;
    if (word == "false" || word == "False") return 0;
    expect('(');
    Sym result = call(word, depth);
    expect(')');
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Sym Sym::parse_srepr(std::string_view text) { return SreprParser(text).parse(); }

}  // namespace crossload
