#include "savedmodel/messages.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "graph/tf_dtypes.h"

namespace crossload::savedmodel {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <typename Range, typename Add>
tf::AttrValue list_attr(const Range& values, Add add) {
  tf::AttrValue result;
  auto& list = *result.mutable_list();
  for (const auto& value : values) add(list, value);
  return result;
}

struct AttrEncoder {
  std::string_view type;
  const std::function<std::string(const graph::Graph&)>& function_name;

  tf::AttrValue operator()(int64_t value) const {
    tf::AttrValue result;
    if (type == "float") {
      result.set_f(static_cast<float>(value));
    } else {
      result.set_i(value);
    }
    return result;
  }
  tf::AttrValue operator()(double value) const {
    tf::AttrValue result;
    result.set_f(static_cast<float>(value));
    return result;
  }
  tf::AttrValue operator()(bool value) const { return bool_attr(value); }
  tf::AttrValue operator()(const std::string& value) const {
    tf::AttrValue result;
    result.set_s(value);
    return result;
  }
  tf::AttrValue operator()(DType value) const { return type_attr(to_tf(value)); }
  tf::AttrValue operator()(const graph::PartialShape& value) const { return shape_attr(to_tf(value.dims)); }
  tf::AttrValue operator()(const Tensor& value) const {
    tf::AttrValue result;
    *result.mutable_tensor() = to_tf(value);
    return result;
  }
  tf::AttrValue operator()(const std::vector<int64_t>& values) const {
    const bool floats = type == "list(float)";
    return list_attr(values,
                     [&](auto& list, int64_t v) { floats ? list.add_f(static_cast<float>(v)) : list.add_i(v); });
  }
  tf::AttrValue operator()(const std::vector<double>& values) const {
    return list_attr(values, [](auto& list, double v) { list.add_f(static_cast<float>(v)); });
  }
  tf::AttrValue operator()(const std::vector<std::string>& values) const {
    return list_attr(values, [](auto& list, const std::string& v) { list.add_s(v); });
  }
  tf::AttrValue operator()(const std::vector<DType>& values) const {
    return list_attr(values, [](auto& list, DType v) { list.add_type(to_tf(v)); });
  }
  tf::AttrValue operator()(const std::shared_ptr<const graph::Graph>& value) const {
    return function_attr(function_name(*value));
  }
};

}  // namespace

tf::DataType to_tf(DType dtype) {
  if (dtype == DType::kVariant) return tf::DT_VARIANT;  // no tensor has it
  return static_cast<tf::DataType>(graph::tf_number_of(dtype));
}

tf::TensorShapeProto to_tf(const Dims& dims) {
  tf::TensorShapeProto shape;
  for (const int64_t d : dims) shape.add_dim()->set_size(d);
  return shape;
}

tf::TensorShapeProto to_tf(const std::optional<SymDims>& dims) {
  tf::TensorShapeProto shape;
  if (!dims) {
    shape.set_unknown_rank(true);
    return shape;
  }
  for (const Sym& d : *dims) shape.add_dim()->set_size(d.as_constant().value_or(-1));
  return shape;
}

tf::TensorProto to_tf(const Tensor& tensor) {
  tf::TensorProto result;
  result.set_dtype(to_tf(tensor.dtype()));
  *result.mutable_tensor_shape() = to_tf(tensor.dims());
  result.set_tensor_content(tensor.bytes().data(), tensor.bytes().size());
  return result;
}

tf::AttrValue to_tf(const graph::Attr& attr, std::string_view type,
                    const std::function<std::string(const graph::Graph&)>& function_name) {
  return std::visit(AttrEncoder{type, function_name}, attr);
}

tf::AttrValue type_attr(tf::DataType type) {
  tf::AttrValue result;
  result.set_type(type);
  return result;
}

tf::AttrValue shape_attr(tf::TensorShapeProto shape) {
  tf::AttrValue result;
  *result.mutable_shape() = std::move(shape);
  return result;
}

tf::AttrValue bool_attr(bool value) {
  tf::AttrValue result;
  result.set_b(value);
  return result;
}

tf::AttrValue function_attr(const std::string& name) {
  tf::AttrValue result;
  result.mutable_func()->set_name(name);
  return result;
}

std::string Namer::unique(const std::string& name) {
  std::string candidate = name;
  for (int i = 1; !taken_.insert(candidate).second; ++i) candidate = fmt::format("{}_{}", name, i);
  return candidate;
}

std::string argument_name(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else {
      result += is_letter(c) || is_digit(c) ? c : '_';
    }
  }
  if (result.empty() || !is_letter(result[0])) result = "x" + result;
  return result;
}

std::string node_name(std::string_view name) {
  std::string result(name);
  for (char& c : result) {
    if (!is_letter(c) && !is_digit(c) && std::string_view("_>./-").find(c) == std::string_view::npos) c = '_';
  }
  if (result.empty() || (!is_letter(result[0]) && !is_digit(result[0]) && result[0] != '.')) result = "x" + result;
  return result;
}

std::string python_name(std::string_view name) {
  static constexpr auto kKeywords = std::to_array<std::string_view>(
      {"False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
       "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
       "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
       "or",    "pass",     "raise", "return", "self", "try",    "while",  "with",     "yield"});
  std::string result;
  for (const char c : name) result += is_letter(c) || is_digit(c) ? c : '_';
  if (result.empty() || is_digit(result[0])) result = "_" + result;
  if (std::find(kKeywords.begin(), kKeywords.end(), result) != kKeywords.end()) result += "_";
  return result;
}

}  // namespace crossload::savedmodel
