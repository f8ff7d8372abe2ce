#include "lower/builder.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/permutation.h"
#include "graph/shape_inference.h"
#include "graph/tf_ops.h"

namespace crossload::lower {
namespace {

using graph::Attr;
using graph::Attrs;
using graph::PartialShape;

// A byte string that differs for different attribute values; functions are never shared, so their address serves.
void append_key(std::string& key, const Attr& attr) {
  key += static_cast<char>('a' + attr.index());
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          key += v;
        } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, int64_t>) {
          key += std::to_string(v);
        } else if constexpr (std::is_same_v<T, double>) {
          key.append(reinterpret_cast<const char*>(&v), sizeof v);
        } else if constexpr (std::is_same_v<T, DType>) {
          key += name_of(v);
        } else if constexpr (std::is_same_v<T, PartialShape>) {
          key += to_string(v.dims);
        } else if constexpr (std::is_same_v<T, Tensor>) {
          key += name_of(v.dtype());
          key += to_string(v.dims());
          key.append(reinterpret_cast<const char*>(v.bytes().data()), v.bytes().size());
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          for (const auto& s : v) key += s + '\0';
        } else if constexpr (std::is_same_v<T, std::vector<DType>>) {
          for (const auto d : v) key += std::string(name_of(d)) + ',';
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
          key += to_string(v);
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          key.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double));
        } else {
          key += std::to_string(reinterpret_cast<uintptr_t>(v.get()));
        }
      },
      attr);
  key += ';';
}

Expr binary(std::string_view op, Expr a, Expr b) { return a.builder().tf_widened(op, {a, b}); }

// The first of `dtype` and the wider ones that holds its values exactly and that the operation's attribute `T` may be.
DType kernel_dtype(std::string_view op, DType dtype) {
  const graph::TfOp* definition = graph::find_tf_op(op);
  if (definition == nullptr) return dtype;
  const auto attr = std::find_if(definition->attrs.begin(), definition->attrs.end(),
                                 [](const graph::TfAttr& a) { return a.name == "T"; });
  if (attr == definition->attrs.end() || attr->allowed_types.empty()) return dtype;
  const auto is_allowed = [&](DType d) {
    return std::find(attr->allowed_types.begin(), attr->allowed_types.end(), d) != attr->allowed_types.end();
  };
  if (is_allowed(dtype)) return dtype;
  const std::vector<DType> wider =
      is_floating(dtype) ? std::vector{DType::kFloat32, DType::kFloat64} : std::vector{DType::kInt32, DType::kInt64};
  for (const DType wide : wider) {
    if (size_of(wide) > size_of(dtype) && is_allowed(wide)) return wide;
  }
  return dtype;
}
Expr constant_like(Expr like, double value) { return like.builder().scalar(like.dtype(), value); }

// Sizes of inputs are at least 1; those that data decide, which torch names `u0`, …, may be nothing.
bool may_be_zero(const Sym& size) {
  if (size.is_constant()) return size == Sym(0);
  const auto symbols = size.symbols();
  return std::any_of(symbols.begin(), symbols.end(), [](const std::string& name) { return name.starts_with("u"); });
}

// The axis that a reshape gives as -1, if any: one whose size may be zero, since -1 cannot be inferred for another axis
// when one is zero; else the one with the longest expression, which saves nodes.
std::optional<std::size_t> open_axis(const SymDims& dims) {
  std::optional<std::size_t> longest, maybe_zero;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (may_be_zero(dims[i])) {
      if (maybe_zero || dims[i].is_constant()) return std::nullopt;
      maybe_zero = i;
    } else if (!dims[i].is_constant() && (!longest || dims[i].text().size() > dims[*longest].text().size())) {
      longest = i;
    }
  }
  return maybe_zero ? maybe_zero : longest;
}

}  // namespace

DType Expr::dtype() const { return builder_->graph().value(ref_).dtype; }

const SymDims& Expr::dims() const {
  const auto& shape = builder_->graph().value(ref_).shape;
  if (!shape) {
    const auto& node = builder_->graph().nodes[static_cast<std::size_t>(ref_.node)];
    internal_error("graph: the shape of `{}` ({}) is not known", node.name, node.op);
  }
  return *shape;
}

bool Expr::has_dims() const { return builder_->graph().value(ref_).shape.has_value(); }

const Sym& Expr::dim(int axis) const {
  const SymDims& d = dims();
  const int rank = static_cast<int>(d.size());
  const int i = axis < 0 ? axis + rank : axis;
  if (i < 0 || i >= rank) internal_error("graph: axis {} of a value of rank {}", axis, rank);
  return d[static_cast<std::size_t>(i)];
}

Expr operator+(Expr a, Expr b) { return binary("AddV2", a, b); }
Expr operator-(Expr a, Expr b) { return binary("Sub", a, b); }
Expr operator*(Expr a, Expr b) { return binary("Mul", a, b); }
Expr operator/(Expr a, Expr b) { return binary("RealDiv", a, b); }
Expr operator-(Expr a) { return a.builder().tf_widened("Neg", {a}); }
Expr operator+(Expr a, double b) { return a + constant_like(a, b); }
Expr operator-(Expr a, double b) { return a - constant_like(a, b); }
Expr operator*(Expr a, double b) { return a * constant_like(a, b); }
Expr operator/(Expr a, double b) { return a / constant_like(a, b); }
Expr operator-(double a, Expr b) { return constant_like(b, a) - b; }
Expr operator*(double a, Expr b) { return constant_like(b, a) * b; }
Expr operator+(double a, Expr b) { return constant_like(b, a) + b; }

std::string Builder::unique_name(std::string_view op) {
  std::string name;
  for (const char c : origin_.module) name += c == '.' ? '/' : c;
  if (!origin_.pt_node.empty()) {
    if (!name.empty()) name += '/';
    name += origin_.pt_node;
  }
  if (!name.empty()) name += '/';
  name += op;
  for (char& c : name) {
    const bool legal =
        (std::isalnum(static_cast<unsigned char>(c)) != 0) || c == '_' || c == '/' || c == '.' || c == '-';
    if (!legal) c = '_';
  }
  if (std::isalnum(static_cast<unsigned char>(name[0])) == 0 && name[0] != '.') name.insert(0, ".");
  const int count = name_counts_[name]++;
  if (count == 0) return name;
  const std::string numbered = name + "_" + std::to_string(count);
  ++name_counts_[numbered];
  return numbered;
}

Expr Builder::tf(std::string_view op, const std::vector<Expr>& inputs, Attrs attrs) {
  auto outputs = tf_all(op, inputs, std::move(attrs));
  if (outputs.empty()) internal_error("graph: `{}` has no output", op);
  return outputs[0];
}

Expr Builder::tf_widened(std::string_view op, const std::vector<Expr>& inputs, Attrs attrs) {
  const DType own = inputs.at(0).dtype(), wide = kernel_dtype(op, own);
  if (wide == own) return tf(op, inputs, std::move(attrs));
  std::vector<Expr> widened;
  for (const Expr& input : inputs) widened.push_back(input.dtype() == own ? cast(input, wide) : input);
  const Expr result = tf(op, widened, std::move(attrs));
  return result.dtype() == wide ? cast(result, own) : result;
}

std::vector<Expr> Builder::tf_all(std::string_view op, const std::vector<Expr>& inputs, Attrs attrs) {
  const graph::TfOp* definition = graph::find_tf_op(op);
  if (definition == nullptr) internal_error("graph: no TensorFlow operation `{}` in the table", op);
  graph::Node node;
  node.op = std::string(op);
  node.attrs = std::move(attrs);
  std::vector<DType> input_types;
  for (const Expr& input : inputs) {
    if (!input) internal_error("graph: `{}` at `{}` is given a missing value", op, origin_.pt_node);
    node.inputs.push_back(input.ref());
    input_types.push_back(input.dtype());
  }
  const std::vector<DType> types = graph::infer_types(*definition, input_types, node.attrs);

  std::string key;
  if (!definition->is_stateful) {
    key = node.op + '(';
    for (const auto ref : node.inputs) key += std::to_string(ref.node) + ':' + std::to_string(ref.output) + ',';
    for (const auto& [name, attr] : node.attrs) {
      key += name + '=';
      append_key(key, attr);
    }
    if (const auto found = by_content_.find(key); found != by_content_.end()) {
      std::vector<Expr> same;
      for (int i = 0; i < static_cast<int>(types.size()); ++i)
        same.emplace_back(this, graph::ValueRef{found->second, i});
      return same;
    }
  }
  const auto shapes = graph::infer_shapes(node, graph_, known_scalars_);
  for (std::size_t i = 0; i < types.size(); ++i) {
    node.outputs.push_back({types[i], i < shapes.size() ? shapes[i] : std::nullopt, {}});
  }
  node.name = unique_name(op);
  node.origin = origin_;
  const int index = static_cast<int>(graph_.nodes.size());
  graph_.nodes.push_back(std::move(node));
  if (!key.empty()) by_content_.emplace(std::move(key), index);
  std::vector<Expr> outputs;
  for (int i = 0; i < static_cast<int>(types.size()); ++i) outputs.emplace_back(this, graph::ValueRef{index, i});
  return outputs;
}

Expr Builder::input(const std::string& name, DType dtype, SymDims dims) {
  graph::Node node;
  node.op = "Input";
  node.name = unique_name("input/" + name);
  node.attrs["index"] = static_cast<int64_t>(graph_.inputs.size());
  node.outputs.push_back({dtype, std::move(dims), {}});
  const graph::ValueRef ref{static_cast<int>(graph_.nodes.size()), 0};
  graph_.nodes.push_back(std::move(node));
  graph_.inputs.push_back({name, ref});
  return {this, ref};
}

Expr Builder::variable(graph::Variable variable) {
  graph::Node node;
  node.op = "Variable";
  node.name = unique_name("variable/" + variable.name);
  node.attrs["index"] = static_cast<int64_t>(graph_.variables.size());
  node.outputs.push_back({variable.dtype, SymDims(variable.dims.begin(), variable.dims.end()), {}});
  const graph::ValueRef ref{static_cast<int>(graph_.nodes.size()), 0};
  graph_.nodes.push_back(std::move(node));
  graph_.variables.push_back(std::move(variable));
  return {this, ref};
}

Expr Builder::constant(const Tensor& value) { return tf("Const", {}, {{"value", value}, {"dtype", value.dtype()}}); }
Expr Builder::scalar(DType dtype, double value) { return constant(scalar_tensor(dtype, value)); }
Expr Builder::scalar(DType dtype, int64_t value) { return constant(scalar_tensor(dtype, value)); }
Expr Builder::int32s(const std::vector<int>& values) { return constant(Tensor::vector_int32(values)); }

Expr Builder::lowest(DType dtype) {
  if (is_floating(dtype)) return scalar(dtype, -std::numeric_limits<double>::infinity());
  if (dtype == DType::kUInt8 || dtype == DType::kBool) return scalar(dtype, 0);
  return scalar(dtype, -(int64_t{1} << (8 * size_of(dtype) - 2)) * 2);
}

Expr Builder::highest(DType dtype) {
  if (is_floating(dtype)) return scalar(dtype, std::numeric_limits<double>::infinity());
  if (dtype == DType::kBool) return scalar(dtype, 1);
  if (dtype == DType::kUInt8) return scalar(dtype, 255);
  return scalar(dtype, ((int64_t{1} << (8 * size_of(dtype) - 2)) - 1) * 2 + 1);
}

void Builder::bind(const std::string& symbol, Expr tensor, int axis) { symbols_[symbol] = {tensor, axis}; }
void Builder::bind(const std::string& symbol, Expr scalar) {
  symbols_[symbol] = {scalar, -1};
  known_scalars_.insert_or_assign(scalar.ref(), Sym::symbol(symbol));
}

Sym Builder::found_size(const std::string& symbol, Expr found) {
  if (!is_bound(symbol)) bind(symbol, found, 0);
  return Sym::symbol(symbol);
}

void Builder::capture(const std::string& symbol) {
  if (std::ranges::find(captured_, symbol) != captured_.end()) return;
  if (outer_ == nullptr) internal_error("sizes: symbol `{}` is bound to no tensor", symbol);
  const graph::Origin origin = std::exchange(origin_, {});
  const Expr value = input("size." + symbol, outer_->bound(symbol).dtype(), {});
  origin_ = origin;
  captured_.push_back(symbol);
  if (!is_bound(symbol)) bind(symbol, value);
}

Expr Builder::bound(const std::string& symbol) {
  if (!is_bound(symbol)) capture(symbol);
  const auto [tensor, axis] = symbols_.at(symbol);
  if (axis < 0) return reshape(tensor, {});
  const Expr shape = tf("Shape", {tensor}, {{"out_type", DType::kInt32}});
  const Expr one =
      tf("StridedSlice", {shape, int32s({axis}), int32s({axis + 1}), int32s({1})}, {{"shrink_axis_mask", int64_t{1}}});
  set_dims(one, {});
  return one;
}

Expr Builder::size(const Sym& value, DType dtype) {
  using Op = Sym::Op;
  if (value.is_constant()) return scalar(dtype, value.constant());
  if (value.op() == Op::kFloat) return scalar(dtype, value.real_value());
  if (value.is_symbol()) return cast(bound(value.symbol_name()), dtype);
  if (dtype == DType::kBool) return cast(size(value, DType::kInt32), dtype);
  // Integers are computed as integers: what rounds on the way to one must not be left out.
  if (is_floating(dtype) && value.is_integral()) return cast(size(value, DType::kInt64), dtype);
  const auto operand = [&](std::size_t i) { return size(value.operands()[i], dtype); };
  const auto folded = [&](std::string_view op) {
    Expr result = operand(0);
    for (std::size_t i = 1; i < value.operands().size(); ++i) result = tf(op, {result, operand(i)});
    return result;
  };
  const auto compared = [&](std::string_view op) { return cast(tf(op, {operand(0), operand(1)}), dtype); };
  switch (value.op()) {
    case Op::kAdd: return folded("AddV2");
    case Op::kMul: return folded("Mul");
    case Op::kMax: return folded("Maximum");
    case Op::kMin: return folded("Minimum");
    case Op::kFloorDiv: return tf("FloorDiv", {operand(0), operand(1)});
    case Op::kMod: return tf("FloorMod", {operand(0), operand(1)});
    case Op::kPow: return tf("Pow", {operand(0), operand(1)});
    case Op::kEq: return compared("Equal");
    case Op::kNe: return compared("NotEqual");
    case Op::kLt: return compared("Less");
    case Op::kLe: return compared("LessEqual");
    case Op::kGt: return compared("Greater");
    case Op::kGe: return compared("GreaterEqual");
    case Op::kAnd: return folded("Mul");
    case Op::kOr: return folded("Maximum");
    case Op::kNot: return scalar(dtype, 1) - operand(0);
    case Op::kAbs: return tf("Abs", {operand(0)});
    case Op::kWhere: return select(cast(operand(0), DType::kBool), operand(1), operand(2));
    case Op::kToFloat: return cast(size(value.operands()[0], DType::kInt32), dtype);
    case Op::kTrueDiv:
    case Op::kSqrt:
    case Op::kTruncToInt:
    case Op::kFloorToInt:
    case Op::kCeilToInt:
    case Op::kRound: break;
    default: internal_error("sizes: no run-time form of `{}`", value.text());
  }
  // Python computes these in double precision.
  const auto real = [&](std::size_t i) { return size(value.operands()[i], DType::kFloat64); };
  switch (value.op()) {
    case Op::kTrueDiv: return cast(real(0) / real(1), dtype);
    case Op::kSqrt: return cast(tf("Sqrt", {real(0)}), dtype);
    case Op::kTruncToInt: return cast(real(0), dtype);
    case Op::kFloorToInt: return cast(tf("Floor", {real(0)}), dtype);
    case Op::kCeilToInt: return cast(tf("Ceil", {real(0)}), dtype);
    default: return cast(tf("Rint", {real(0)}), dtype);
  }
}

Expr Builder::sizes(const SymDims& dims) {
  std::vector<int> constants;
  for (const Sym& d : dims) {
    if (!d.is_constant()) break;
    constants.push_back(static_cast<int>(d.constant()));
  }
  if (constants.size() == dims.size()) return int32s(constants);
  std::vector<Expr> parts;
  for (const Sym& d : dims) parts.push_back(size(d));
  const Expr packed = tf("Pack", parts, {{"axis", int64_t{0}}});
  set_dims(packed, {Sym(static_cast<int64_t>(dims.size()))});
  return packed;
}

Expr Builder::reshape(Expr x, const SymDims& dims) {
  if (x.has_dims() && x.dims() == dims) return x;
  SymDims asked = dims;
  if (const auto open = open_axis(dims)) asked[*open] = Sym(-1);
  const Expr result = tf("Reshape", {x, sizes(asked)});
  set_dims(result, dims);
  return result;
}

Expr Builder::transpose(Expr x, const std::vector<int>& perm) {
  if (is_identity(perm)) return x;
  return tf("Transpose", {x, int32s(perm)});
}

Expr Builder::swap_axes(Expr x, int a, int b) {
  std::vector<int> perm(x.dims().size());
  std::iota(perm.begin(), perm.end(), 0);
  if (a < 0) a += x.rank();
  if (b < 0) b += x.rank();
  std::swap(perm[static_cast<std::size_t>(a)], perm[static_cast<std::size_t>(b)]);
  return transpose(x, perm);
}

Expr Builder::broadcast(Expr x, const SymDims& dims) {
  if (x.has_dims() && x.dims() == dims) return x;
  const Expr result = tf("BroadcastTo", {x, sizes(dims)});
  set_dims(result, dims);
  return result;
}

Expr Builder::cast(Expr x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (dtype == DType::kBool) return tf("NotEqual", {x, scalar(x.dtype(), 0)});
  return tf("Cast", {x}, {{"DstT", dtype}});
}

Expr Builder::squeeze(Expr x, const std::vector<int>& axes) {
  SymDims dims;
  for (int i = 0; i < x.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(x.dim(i));
  }
  if (axes.empty()) return x;
  const Expr result = tf("Squeeze", {x}, {{"squeeze_dims", std::vector<int64_t>(axes.begin(), axes.end())}});
  set_dims(result, dims);
  return result;
}

Expr Builder::unsqueeze(Expr x, int axis) {
  SymDims dims = x.dims();
  if (axis < 0) axis += static_cast<int>(dims.size()) + 1;
  dims.insert(dims.begin() + axis, Sym(1));
  const Expr result = tf("ExpandDims", {x, scalar(DType::kInt32, axis)});
  set_dims(result, dims);
  return result;
}

Expr Builder::fill(DType dtype, const SymDims& dims, Expr value) {
  const Expr typed = cast(value, dtype);
  if (dims.empty()) return reshape(typed, {});
  const Expr result = tf("Fill", {sizes(dims), typed});
  set_dims(result, dims);
  return result;
}

Expr Builder::range(const Sym& count, DType dtype) {
  const bool has_kernel = dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kInt64;
  const DType index = has_kernel ? dtype : DType::kInt32;
  const Expr result = tf("Range", {scalar(index, 0), size(count, index), scalar(index, 1)});
  set_dims(result, {count});
  return cast(result, dtype);
}

Expr Builder::concat(const std::vector<Expr>& parts, int axis) {
  if (parts.size() == 1) return parts[0];
  std::vector<Expr> inputs = parts;
  inputs.push_back(scalar(DType::kInt32, axis));
  return tf("ConcatV2", inputs);
}

Expr Builder::slice(Expr x, int axis, const Sym& begin, const Sym& end, int64_t step) {
  const int rank = x.rank();
  const int64_t all = (int64_t{1} << rank) - 1;
  const bool from_start = begin == Sym(0);
  const bool is_open = end.is_constant() && end.constant() >= std::numeric_limits<int32_t>::max();
  const bool to_end = is_open || end == x.dim(axis);
  if (from_start && to_end && step == 1) return x;
  SymDims begins(static_cast<std::size_t>(rank), Sym(0)), ends = begins;
  std::vector<int> steps(static_cast<std::size_t>(rank), 1);
  begins[static_cast<std::size_t>(axis)] = from_start ? Sym(0) : begin;
  ends[static_cast<std::size_t>(axis)] = to_end ? Sym(0) : end;
  steps[static_cast<std::size_t>(axis)] = static_cast<int>(step);
  const int64_t others = all & ~(int64_t{1} << axis);
  return tf("StridedSlice", {x, sizes(begins), sizes(ends), int32s(steps)},
            {{"begin_mask", from_start ? all : others}, {"end_mask", to_end ? all : others}});
}

Expr Builder::select(Expr condition, Expr yes, Expr no) { return tf("SelectV2", {condition, yes, no}); }

Expr Builder::reduce(std::string_view op, Expr x, const std::vector<int>& axes, bool keep_dims) {
  return tf_widened(op, {x, int32s(axes)}, {{"keep_dims", keep_dims}});
}

Expr Builder::gather(Expr x, Expr indices, int axis) {
  return tf("GatherV2", {x, indices, scalar(DType::kInt32, axis)});
}

void Builder::set_dims(Expr x, SymDims dims) { graph_.value(x.ref()).shape = std::move(dims); }

void Builder::add_pt_value(Expr x, graph::PtValue pt_value) {
  graph_.value(x.ref()).pt_values.push_back(std::move(pt_value));
}

void Builder::add_output(std::string name, Expr x) { graph_.outputs.push_back({std::move(name), x.ref()}); }

}  // namespace crossload::lower
