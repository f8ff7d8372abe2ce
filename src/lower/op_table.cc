#include "lower/op_table.h"

#include <algorithm>

#include "base/error.h"
#include "lower/ops/families.h"

namespace crossload::lower {
namespace {

using program::Argument;

// A size that the reader left as the name of a value (`sym_size_int_20`) is replaced by its expression.
Sym resolved(const Sym& value, const program::Block& block) {
  if (value.is_symbol()) {
    if (const auto found = block.syms.find(value.symbol_name()); found != block.syms.end()) return found->second;
  }
  return value;
}

}  // namespace

NeedsConstant::NeedsConstant(std::string_view what, const Sym& size)
    : Unsupported(fmt::format("{} is `{}`, not a constant", what, size.text())), symbols_(size.symbols()) {}

const OpTable& OpTable::all() {
  static const OpTable table = [] {
    OpTable t;
    add_all_families(t);
    return t;
  }();
  return table;
}

void OpTable::add(const char* family, std::span<const OpRow> rows) {
  for (const OpRow& row : rows) {
    Schema schema = parse_schema(row.schema);
    const std::string target = schema.target;
    const bool is_new = entries_.emplace(target, Entry{std::move(schema), row.lowering, family}).second;
    if (!is_new) internal_error("op table: `{}` stands in it twice", target);
  }
}

const OpTable::Entry* OpTable::find(std::string_view target) const {
  const auto found = entries_.find(std::string(target));
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<const OpTable::Entry*> OpTable::sorted() const {
  std::vector<const Entry*> all;
  for (const auto& [target, entry] : entries_) all.push_back(&entry);
  std::sort(all.begin(), all.end(), [](const Entry* a, const Entry* b) { return a->schema.target < b->schema.target; });
  return all;
}

const Argument& Call::argument(std::string_view name) const {
  const SchemaArgument* declared = schema_.find(name);
  if (declared == nullptr) internal_error("lowering of `{}`: no argument `{}` in its schema", schema_.target, name);
  if (const Argument* given = node_.find(name)) return *given;
  // Higher-order operations have arguments without names, in the schema's order.
  const auto position = static_cast<std::size_t>(declared - schema_.arguments.data());
  if (position < node_.arguments.size() && node_.arguments[position].name.empty()) {
    return node_.arguments[position].value;
  }
  if (!declared->has_default) internal_error("`{}`: argument `{}` is missing in the program", schema_.target, name);
  return declared->default_value;
}

bool Call::is_none(std::string_view name) const { return std::holds_alternative<program::None>(argument(name)); }

Expr Call::tensor_or_null(std::string_view name) const {
  const Argument& a = argument(name);
  if (std::holds_alternative<program::None>(a)) return {};
  const auto* ref = std::get_if<program::TensorRef>(&a);
  if (ref == nullptr) return {};
  const auto found = values_.find(ref->name);
  if (found == values_.end()) internal_error("`{}`: value `{}` is not there yet", schema_.target, ref->name);
  return found->second;
}

Expr Call::tensor(std::string_view name) const {
  const Expr value = tensor_or_null(name);
  if (!value) internal_error("`{}`: argument `{}` is no tensor", schema_.target, name);
  return value;
}

Expr Call::first_tensor() const { return tensor(schema_.arguments.at(0).name); }

Exprs Call::optional_tensors(std::string_view name) const {
  Exprs out;
  const Argument& a = argument(name);
  const auto* list = std::get_if<program::TensorList>(&a);
  if (list == nullptr) return out;
  for (const auto& item : list->names) {
    if (!item) {
      out.emplace_back();
      continue;
    }
    const auto found = values_.find(*item);
    if (found == values_.end()) internal_error("`{}`: value `{}` is not there yet", schema_.target, *item);
    out.push_back(found->second);
  }
  return out;
}

Exprs Call::tensors(std::string_view name) const {
  Exprs out = optional_tensors(name);
  for (const Expr& e : out) {
    if (!e) internal_error("`{}`: argument `{}` holds None", schema_.target, name);
  }
  return out;
}

Exprs Call::operands(std::string_view name) const {
  const auto* sizes = std::get_if<std::vector<Sym>>(&argument(name));
  return sizes == nullptr ? optional_tensors(name) : Exprs(sizes->size());
}

const program::Block& Call::body(std::string_view name) const {
  const auto* block = std::get_if<std::shared_ptr<const program::Block>>(&argument(name));
  if (block == nullptr) internal_error("`{}`: argument `{}` is no graph", schema_.target, name);
  return **block;
}

Sym Call::sym(std::string_view name) const {
  const Argument& a = argument(name);
  if (const auto* value = std::get_if<Sym>(&a)) return resolved(*value, block_);
  if (const auto* value = std::get_if<bool>(&a)) return Sym(*value ? 1 : 0);
  if (const auto* value = std::get_if<double>(&a)) return Sym::real(*value);
  internal_error("`{}`: argument `{}` is no number", schema_.target, name);
}

std::vector<Sym> Call::syms(std::string_view name) const {
  const Argument& a = argument(name);
  std::vector<Sym> out;
  if (const auto* list = std::get_if<std::vector<Sym>>(&a)) {
    for (const Sym& item : *list) out.push_back(resolved(item, block_));
  } else if (const auto* one = std::get_if<Sym>(&a)) {
    out.push_back(resolved(*one, block_));
  } else if (!std::holds_alternative<program::None>(a)) {
    // An empty list has no kind of its own in the program.
    const auto* tensors_list = std::get_if<program::TensorList>(&a);
    if (tensors_list == nullptr || !tensors_list->names.empty()) {
      internal_error("`{}`: argument `{}` is no list of sizes", schema_.target, name);
    }
  }
  return out;
}

int64_t Call::integer(std::string_view name) const { return constant(fmt::format("argument `{}`", name), sym(name)); }

int64_t Call::constant(std::string_view what, const Sym& size) const {
  if (!size.is_constant()) throw NeedsConstant(what, size);
  return size.constant();
}

std::optional<int64_t> Call::integer_or_null(std::string_view name) const {
  if (is_none(name)) return std::nullopt;
  return integer(name);
}

std::vector<int64_t> Call::integers(std::string_view name) const {
  std::vector<int64_t> out;
  for (const Sym& s : syms(name)) out.push_back(constant(fmt::format("an element of argument `{}`", name), s));
  return out;
}

double Call::number(std::string_view name) const {
  const Sym value = sym(name);
  if (value.op() == Sym::Op::kFloat) return value.real_value();
  return static_cast<double>(constant(fmt::format("argument `{}`", name), value));
}

std::vector<double> Call::numbers(std::string_view name) const {
  const Argument& a = argument(name);
  if (const auto* reals = std::get_if<std::vector<double>>(&a)) return *reals;
  std::vector<double> out;
  for (const int64_t i : integers(name)) out.push_back(static_cast<double>(i));
  return out;
}

bool Call::flag(std::string_view name) const { return integer(name) != 0; }

std::string Call::text(std::string_view name) const {
  const auto* value = std::get_if<std::string>(&argument(name));
  if (value == nullptr) internal_error("`{}`: argument `{}` is no text", schema_.target, name);
  return *value;
}

std::optional<DType> Call::dtype_or_null(std::string_view name) const {
  const auto* value = std::get_if<program::ScalarType>(&argument(name));
  return value == nullptr ? std::nullopt : std::optional(value->dtype);
}

bool Call::is_float_scalar(std::string_view name) const {
  const Argument& a = argument(name);
  if (const auto* value = std::get_if<Sym>(&a)) {
    const Sym s = resolved(*value, block_);
    using Op = Sym::Op;
    return s.op() == Op::kFloat || s.op() == Op::kToFloat || s.op() == Op::kTrueDiv || s.op() == Op::kSqrt;
  }
  return std::holds_alternative<double>(a);
}

Expr Call::scalar(std::string_view name, DType dtype) const {
  if (const auto* value = std::get_if<program::Complex>(&argument(name))) {
    if (!is_complex(dtype)) unsupported(fmt::format("argument `{}` is a complex number", name));
    const DType part = dtype == DType::kComplex128 ? DType::kFloat64 : DType::kFloat32;
    return builder_.tf("Complex", {builder_.scalar(part, value->real), builder_.scalar(part, value->imag)},
                       {{"Tout", dtype}});
  }
  return builder_.size(sym(name), dtype);
}

Expr Call::operand(std::string_view name, DType dtype) const {
  if (const Expr value = tensor_or_null(name)) return builder_.cast(value, dtype);
  return scalar(name, dtype);
}

int Call::axis(std::string_view name, int rank) const {
  const int64_t given = integer(name);
  const int64_t bound = rank == 0 ? 1 : rank;
  if (given < -bound || given >= bound) internal_error("`{}`: axis {} of rank {}", schema_.target, given, rank);
  return static_cast<int>(given < 0 ? given + bound : given);
}

std::vector<int> Call::axes(std::string_view name, int rank) const {
  std::vector<int> out;
  const int64_t bound = rank == 0 ? 1 : rank;
  for (const int64_t given : integers(name)) out.push_back(static_cast<int>(given < 0 ? given + bound : given));
  std::sort(out.begin(), out.end());
  return out;
}

std::size_t Call::result_count() const {
  std::size_t count = 0;
  for (const auto& r : node_.results) count += r.tensors.size();
  return count;
}

const program::TensorType& Call::result(std::size_t i) const {
  for (const auto& r : node_.results) {
    if (i < r.tensors.size()) return block_.tensors.at(r.tensors[i]);
    i -= r.tensors.size();
  }
  internal_error("`{}`: it has no result {}", schema_.target, i);
}

Expr same_value(Call& call) { return call.first_tensor(); }

}  // namespace crossload::lower
