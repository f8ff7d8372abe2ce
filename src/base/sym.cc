#include "base/sym.h"

#include <algorithm>

#include "base/error.h"
#include "base/sym_rules.h"
#include "base/sym_text.h"

namespace crossload {

Sym::Sym(int64_t value) {
  auto node = std::make_shared<Node>();
  node->op = Op::kInteger;
  node->integer = value;
  node->text = fmt::format_int(value).str();
  node_ = std::move(node);
}

Sym Sym::symbol(std::string name) {
  auto node = std::make_shared<Node>();
  node->op = Op::kSymbol;
  node->text = name;
  node->name = std::move(name);
  return Sym(std::shared_ptr<const Node>(std::move(node)));
}

Sym Sym::real(double value) {
  auto node = std::make_shared<Node>();
  node->op = Op::kFloat;
  node->real = value;
  node->text = text_of_real(value);
  return Sym(std::shared_ptr<const Node>(std::move(node)));
}

Sym Sym::make(Op op, std::vector<Sym> o) {
  const auto expect = [&](std::size_t count) {
    if (o.size() != count) internal_error("symbolic expression: {} operands given, {} expected", o.size(), count);
  };
  switch (op) {
    case Op::kAdd: return SymRules::add(o);
    case Op::kMul: return SymRules::mul(o);
    case Op::kPow: expect(2); return SymRules::power(o[0], o[1]);
    case Op::kFloorDiv: expect(2); return SymRules::floor_div(o[0], o[1]);
    case Op::kMod: expect(2); return SymRules::mod(o[0], o[1]);
    case Op::kTrueDiv: expect(2); return SymRules::true_div(o[0], o[1]);
    case Op::kMax:
    case Op::kMin:
      if (o.empty()) internal_error("symbolic expression: Max and Min need an operand");
      return SymRules::extreme(op, o);
    case Op::kToFloat:
      expect(1);
      return o[0].is_constant() ? real(static_cast<double>(o[0].constant())) : SymRules::raw(op, std::move(o));
    case Op::kTruncToInt:
    case Op::kFloorToInt:
    case Op::kCeilToInt:
    case Op::kRound: expect(1); return SymRules::to_integer(op, o[0]);
    case Op::kEq:
    case Op::kNe:
    case Op::kLt:
    case Op::kLe:
    case Op::kGt:
    case Op::kGe: expect(2); return SymRules::relation(op, o[0], o[1]);
    case Op::kAnd:
    case Op::kOr: return SymRules::logic(op, o);
    case Op::kNot:
      expect(1);
      if (o[0].is_constant()) return o[0].constant() == 0;
      return o[0].op() == Op::kNot ? o[0].operands()[0] : SymRules::raw(op, std::move(o));
    case Op::kWhere:
      expect(3);
      if (o[0].is_constant()) return o[0].constant() != 0 ? o[1] : o[2];
      return o[1] == o[2] ? o[1] : SymRules::raw(op, std::move(o));
    case Op::kAbs:
      expect(1);
      if (o[0].is_constant()) return o[0].constant() < 0 ? checked_mul(o[0].constant(), -1) : o[0].constant();
      return SymRules::raw(op, std::move(o));
    case Op::kSqrt: expect(1); return SymRules::raw(op, std::move(o));
    case Op::kInteger:
    case Op::kFloat:
    case Op::kSymbol: break;
  }
  internal_error("symbolic expression: `make` is for operations, not for leaves");
}

bool Sym::is_integral() const {
  switch (op()) {
    case Op::kFloat:
    case Op::kTrueDiv:
    case Op::kToFloat:
    case Op::kSqrt: return false;
    case Op::kSymbol: return !symbol_name().starts_with("zf") && !symbol_name().starts_with("zuf");
    case Op::kPow: return operands()[0].is_integral() && operands()[1].is_constant() && operands()[1].constant() >= 0;
    case Op::kAdd:
    case Op::kMul:
    case Op::kMax:
    case Op::kMin:
    case Op::kFloorDiv:
    case Op::kMod:
    case Op::kAbs:
      return std::all_of(operands().begin(), operands().end(), [](const Sym& s) { return s.is_integral(); });
    case Op::kWhere: return operands()[1].is_integral() && operands()[2].is_integral();
    default: return true;  // integers, relations, conversions to integers
  }
}

std::set<std::string> Sym::symbols() const {
  std::set<std::string> names;
  std::vector<const Sym*> open = {this};
  while (!open.empty()) {
    const Sym& s = *open.back();
    open.pop_back();
    if (s.is_symbol()) names.insert(s.symbol_name());
    for (const Sym& operand : s.operands()) open.push_back(&operand);
  }
  return names;
}

std::string to_string(const SymDims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += dims[i].text();
  }
  return text += "]";
}

Sym product(const SymDims& dims) { return dims.empty() ? Sym(1) : Sym::make(Sym::Op::kMul, dims); }

std::optional<std::vector<int64_t>> constant_dims(const SymDims& dims) {
  std::vector<int64_t> result;
  result.reserve(dims.size());
  for (const Sym& dim : dims) {
    if (!dim.is_constant()) return std::nullopt;
    result.push_back(dim.constant());
  }
  return result;
}

}  // namespace crossload
