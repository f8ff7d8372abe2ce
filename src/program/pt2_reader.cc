// A .pt2 archive of torch.export.save, PyTorch 2.8 and newer: `models/model.json` holds the graph in the format of
// torch/_export/serde/schema.py (schema 8.x), `data/weights` and `data/constants` the tensors. Unions of the schema are
// objects with one field that names the type: {"as_tensor": {"name": "x"}}.
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/zip_archive.h"
#include "program/call_sites.h"
#include "program/json.h"
#include "program/program.h"
#include "program/schema_codes.h"
#include "program/stored_tensors.h"
#include "program/tree_spec.h"

namespace crossload::program {
namespace {

constexpr std::string_view kModel = "models/model.json";
constexpr int64_t kSchemaMajor = 8;
constexpr std::string_view kArchiveVersion = "0";
constexpr int kMaxBlockDepth = 32;
constexpr int64_t kOpenEnd = INT64_MAX - 1;  // how torch writes infinity, or infinity - 1, in a range

std::string_view trimmed(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  return end == text.npos ? std::string_view() : text.substr(0, end + 1);
}

class ProgramReader {
 public:
  ProgramReader(JsonDocument& document, std::map<std::string, Tensor> data) : document_(document) {
    program_.data = std::move(data);
  }

  Program read() {
    const Json root = document_.root();
    const Json version = root.at("schema_version");
    if (const int64_t major = version.at("major").integer(); major != kSchemaMajor) {
      bad_input("{}: schema version {}.{}, {}.x is known; export with a PyTorch of that schema, or update crossload",
                version.location().where, major, version.at("minor").integer(), kSchemaMajor);
    }
    const Json module = root.at("graph_module");
    const Json graph = module.at("graph");
    root.at("range_constraints").each_field([&](std::string_view name, Json range) { read_range(name, range); });
    const Json signature = module.at("signature");
    Scope scope(0);
    read_values(graph, scope);
    read_inputs(graph, signature, user_input_names(module), scope);
    read_nodes(graph, scope);
    read_outputs(signature, module, scope);
    graph.at("outputs").each([&](Json output) { scope.block.outputs.push_back(read_argument(output, scope)); });
    check_data(scope.block);
    program_.main = std::move(scope.block);
    program_.call_sites = call_sites_.take();
    if (!unsupported_.empty()) throw_unsupported();
    return std::move(program_);
  }

 private:
  struct Scope {
    explicit Scope(int depth_) : depth(depth_) {}

    Block block;
    std::unordered_set<std::string_view> defined;  // tensor values so far
    int depth;
  };

  // Unsupported parts are collected, so that the user learns of all of them at once.
  void unsupported(Json at, std::string_view seen) {
    unsupported_.push_back(at.location().item.empty() ? std::string(seen)
                                                      : fmt::format("{}: {}", at.location().item, seen));
  }

  [[noreturn]] void throw_unsupported() {
    const std::string& where = document_.root().location().where;
    std::string message = fmt::format("{}: {}", where, unsupported_.front());
    if (unsupported_.size() > 1) message += fmt::format("; {} more are not supported", unsupported_.size() - 1);
    throw Error(ErrorKind::kUnsupported, message, std::move(unsupported_));
  }

  // --- values ---

  void read_range(std::string_view name, Json range) {
    Range result;
    if (const auto min = range.find("min_val"); min && min->integer() > -kOpenEnd) result.min = min->integer();
    if (const auto max = range.find("max_val"); max && max->integer() < kOpenEnd) result.max = max->integer();
    program_.ranges.emplace(name, result);
  }

  Sym expression(Json text) {
    const std::string_view srepr = text.string();
    const auto found = expressions_.find(srepr);
    if (found != expressions_.end()) return found->second;
    try {
      return expressions_.emplace(srepr, Sym::parse_srepr(srepr)).first->second;
    } catch (const Error& e) {
      bad_input("{}: {}: {}", text.location().where, text.location().item, e.what());
    }
  }

  // {"as_int": 3}, {"as_bool": true}, {"as_float": 0.5} or {"as_expr": {"expr_str", "hint"}}
  Sym read_sym(Json value) {
    const auto [tag, inner] = value.tagged();
    if (tag == "as_int") return inner.integer();
    if (tag == "as_bool") return inner.boolean() ? 1 : 0;
    if (tag == "as_float") return Sym::real(inner.real());
    if (tag != "as_expr") value.fail(fmt::format("holds `{}`, an expression or a constant expected", tag));
    Sym result = expression(inner.at("expr_str"));
    if (result.is_symbol()) {
      if (const auto hint = inner.find("hint")) {
        const auto [kind, number] = hint->tagged();
        if (kind == "as_int") program_.hints.emplace(result.symbol_name(), number.integer());
      }
    }
    return result;
  }

  DType read_dtype(Json code) {
    const int64_t number = code.integer();
    const auto dtype = dtype_from_code(number);
    if (!dtype) unsupported(code, fmt::format("dtype {} has no TensorFlow form", name_of_dtype_code(number)));
    return dtype.value_or(DType::kFloat32);
  }

  void read_values(Json graph, Scope& scope) {
    Block& block = scope.block;
    graph.at("tensor_values").each_field([&](std::string_view name, Json meta) {
      document_.set_item("tensor value", name);
      TensorType type;
      type.dtype = read_dtype(meta.at("dtype"));
      meta.at("sizes").each([&](Json size) {
        Sym dim = read_sym(size);
        if (dim.is_constant() && dim.constant() < 0) {
          meta.fail(fmt::format("has size {}, sizes are not negative", dim.constant()));
        }
        type.dims.push_back(std::move(dim));
      });
      if (!block.tensors.emplace(name, std::move(type)).second) meta.fail("is listed twice");
    });
    for (const std::string_view kind : {"sym_int_values", "sym_bool_values", "sym_float_values"}) {
      const auto values = graph.find(kind);
      if (!values) continue;
      values->each_field([&](std::string_view name, Json value) {
        document_.set_item("symbolic value", name);
        block.syms.insert_or_assign(std::string(name), read_sym(value));
      });
    }
    document_.clear_item();
  }

  // --- arguments ---

  // An operand of a higher-order operation may be a size although its field says `as_tensor`; the inner graph has its
  // expression.
  std::optional<std::string> operand(Json tensor, const Scope& scope) {
    const std::string name(tensor.at("name").string());
    if (!scope.defined.contains(name) && scope.block.syms.contains(name)) return std::nullopt;
    return tensor_name(tensor, scope);
  }

  std::string tensor_name(Json tensor, const Scope& scope) {
    const std::string_view name = tensor.at("name").string();
    if (!scope.defined.contains(name)) tensor.fail(fmt::format("reads `{}`, which no earlier node computes", name));
    return std::string(name);
  }

  // {"as_name": "sym_size_int_1"}, {"as_int": 3}, {"as_bool": true} or {"as_float": 0.5}
  Sym sym_argument(Json value, const Scope& scope) {
    const auto [tag, inner] = value.tagged();
    if (tag != "as_name") return read_sym(value);
    const auto found = scope.block.syms.find(std::string(inner.string()));
    if (found == scope.block.syms.end()) {
      inner.fail(fmt::format("reads `{}`, which is no symbolic value of this graph", inner.string()));
    }
    return found->second;
  }

  template <typename T, typename F>
  static std::vector<T> list_of(Json list, F read) {
    std::vector<T> result;
    list.each([&](Json element) { result.push_back(read(element)); });
    return result;
  }

  std::optional<std::string> optional_tensor(Json value, const Scope& scope) {
    const auto [tag, inner] = value.tagged();
    if (tag == "as_none") return std::nullopt;
    if (tag != "as_tensor") value.fail(fmt::format("holds `{}`, a tensor or None expected", tag));
    return tensor_name(inner, scope);
  }

  Argument read_argument(Json value, const Scope& scope) {
    const auto tagged = value.tagged();
    const std::string_view tag = tagged.first;
    const Json inner = tagged.second;
    const auto sym = [&](Json v) { return sym_argument(v, scope); };
    if (tag == "as_tensor") return TensorRef{tensor_name(inner, scope)};
    if (tag == "as_int") return Sym(inner.integer());
    if (tag == "as_float") return inner.real();
    if (tag == "as_bool") return inner.boolean();
    if (tag == "as_none") return None{};
    if (tag == "as_ints") return list_of<Sym>(inner, [](Json v) { return Sym(v.integer()); });
    if (tag == "as_sym_int" || tag == "as_sym_bool" || tag == "as_sym_float") return sym(inner);
    if (tag == "as_sym_ints" || tag == "as_sym_bools" || tag == "as_sym_floats") return list_of<Sym>(inner, sym);
    if (tag == "as_tensors") {
      return TensorList{list_of<std::optional<std::string>>(inner, [&](Json v) { return operand(v, scope); })};
    }
    if (tag == "as_optional_tensors") {
      return TensorList{list_of<std::optional<std::string>>(inner, [&](Json v) { return optional_tensor(v, scope); })};
    }
    if (tag == "as_optional_tensor") {
      auto name = optional_tensor(inner, scope);
      return name ? Argument(TensorRef{*std::move(name)}) : Argument(None{});
    }
    if (tag == "as_string" || tag == "as_operator") return std::string(inner.string());
    if (tag == "as_strings") return list_of<std::string>(inner, [](Json v) { return std::string(v.string()); });
    if (tag == "as_floats") return list_of<double>(inner, [](Json v) { return v.real(); });
    if (tag == "as_bools") return list_of<bool>(inner, [](Json v) { return v.boolean(); });
    if (tag == "as_scalar_type") return ScalarType{read_dtype(inner)};
    if (tag == "as_memory_format") return MemoryFormat{small_code(inner)};
    if (tag == "as_layout") return Layout{small_code(inner)};
    if (tag == "as_device") return Device{std::string(inner.at("type").string())};
    if (tag == "as_complex") return Complex{inner.at("real").real(), inner.at("imag").real()};
    if (tag == "as_graph") return read_block(inner, scope.depth + 1);
    if (tag != "as_custom_obj" && tag != "as_nested_tensors" && tag != "as_int_lists" && tag != "as_float_lists" &&
        tag != "as_string_to_argument") {
      value.fail(fmt::format("holds `{}`, which is no argument kind of schema {}", tag, kSchemaMajor));
    }
    unsupported(value, fmt::format("an argument of kind `{}` is not supported", tag));
    return None{};
  }

  static int small_code(Json code) {
    const int64_t number = code.integer();
    if (number < 0 || number > 99) code.fail(fmt::format("is {}, a code below 100 expected", number));
    return static_cast<int>(number);
  }

  // --- nodes ---

  std::string define(Json tensor, Scope& scope) {
    const std::string_view name = tensor.at("name").string();
    if (!scope.block.tensors.contains(std::string(name))) {
      tensor.fail(fmt::format("computes `{}`, which has no entry in tensor_values", name));
    }
    if (!scope.defined.insert(name).second) tensor.fail(fmt::format("computes `{}`, which exists already", name));
    return std::string(name);
  }

  Result read_result(Json value, Scope& scope) {
    const auto tagged = value.tagged();
    const std::string_view tag = tagged.first;
    const Json inner = tagged.second;
    Result result;
    if (tag == "as_tensor") {
      result.tensors.push_back(define(inner, scope));
    } else if (tag == "as_tensors") {
      result.is_list = true;
      inner.each([&](Json tensor) { result.tensors.push_back(define(tensor, scope)); });
    } else if (tag == "as_optional_tensor" || tag == "as_optional_tensors") {
      result.is_list = tag == "as_optional_tensors";
      const auto take = [&](Json optional) {
        const auto [kind, tensor] = optional.tagged();
        result.tensors.push_back(kind == "as_tensor" ? define(tensor, scope) : std::string());
      };
      if (result.is_list) {
        inner.each(take);
      } else if (inner.tagged().first == "as_tensor") {
        take(inner);
      }
    } else if (tag == "as_sym_int" || tag == "as_sym_bool" || tag == "as_sym_float") {
      const auto [kind, name] = inner.tagged();
      if (kind == "as_name") {
        sym_argument(inner, scope);
        result.sym = name.string();
      }
    } else if (tag != "as_none" && tag != "as_int" && tag != "as_bool" && tag != "as_float") {
      unsupported(value, fmt::format("a result of kind `{}` is not supported", tag));
    }
    return result;
  }

  void read_nodes(Json graph, Scope& scope) {
    const Json nodes = graph.at("nodes");
    scope.block.nodes.reserve(nodes.size());
    nodes.each([&](Json json) {
      Node node;
      constexpr std::string_view kPrefix = "torch.ops.";
      std::string_view target = json.at("target").string();
      if (target.starts_with(kPrefix)) target.remove_prefix(kPrefix.size());
      node.target = target;
      const auto name = json.find("name");
      node.name = name ? name->string() : target;
      document_.set_item("node", node.name);
      const Json inputs = json.at("inputs");
      node.arguments.reserve(inputs.size());
      inputs.each([&](Json input) {
        NamedArgument argument;
        argument.name = input.at("name").string();
        argument.value = read_argument(input.at("arg"), scope);
        if (std::holds_alternative<std::shared_ptr<const Block>>(argument.value)) {
          document_.set_item("node", node.name);  // reading the nested graph has set others
        }
        node.arguments.push_back(std::move(argument));
      });
      json.at("outputs").each([&](Json output) { node.results.push_back(read_result(output, scope)); });
      const Json metadata = json.at("metadata");
      const auto modules = metadata.find("nn_module_stack");
      const auto trace = metadata.find("stack_trace");
      node.call_site = call_sites_.index_of(modules ? modules->string() : "", trace ? trace->string() : "");
      scope.block.nodes.push_back(std::move(node));
    });
    document_.clear_item();
  }

  std::shared_ptr<const Block> read_block(Json argument, int depth) {
    if (depth > kMaxBlockDepth) argument.fail(fmt::format("nests graphs deeper than {}", kMaxBlockDepth));
    const Json graph = argument.at("graph");
    Scope scope(depth);
    read_values(graph, scope);
    graph.at("inputs").each([&](Json input) { scope.block.inputs.push_back(read_block_input(input, scope)); });
    read_nodes(graph, scope);
    graph.at("outputs").each([&](Json output) { scope.block.outputs.push_back(read_argument(output, scope)); });
    return std::make_shared<const Block>(std::move(scope.block));
  }

  // The name of the value that an input of a graph stands for; empty for a constant.
  std::string read_block_input(Json input, Scope& scope) {
    const auto [tag, inner] = input.tagged();
    if (tag == "as_tensor") return define(inner, scope);
    if (tag == "as_sym_int" || tag == "as_sym_bool" || tag == "as_sym_float") {
      sym_argument(inner, scope);
      const auto [kind, name] = inner.tagged();
      return kind == "as_name" ? std::string(name.string()) : std::string();
    }
    if (tag != "as_none" && tag != "as_int" && tag != "as_bool" && tag != "as_float" && tag != "as_string") {
      unsupported(input, fmt::format("a graph input of kind `{}` is not supported", tag));
    }
    return {};
  }

  // --- signature ---

  NamedTuples named_tuples(Json module) {
    NamedTuples result;
    if (const auto types = module.find("treespec_namedtuple_fields")) {
      types->each_field([&](std::string_view type, Json definition) {
        result.emplace(
            type, list_of<std::string>(definition.at("field_names"), [](Json v) { return std::string(v.string()); }));
      });
    }
    return result;
  }

  // The call signature of the whole model, when it was recorded.
  static std::optional<Json> root_call(Json module) {
    std::optional<Json> result;
    module.at("module_call_graph").each([&](Json entry) {
      if (!result && entry.at("fqn").string().empty()) result = entry.find("signature");
    });
    return result;
  }

  std::optional<std::vector<std::string>> user_input_names(Json module) {
    const auto call = root_call(module);
    if (!call) return std::nullopt;
    std::vector<std::string> arguments;
    if (const auto names = call->find("forward_arg_names")) {
      arguments = list_of<std::string>(*names, [](Json v) { return std::string(v.string()); });
    }
    return input_names(call->at("in_spec").string(), arguments, named_tuples(module), call->location().where);
  }

  void read_inputs(Json graph, Json signature, const std::optional<std::vector<std::string>>& names, Scope& scope) {
    std::vector<Json> slots;
    graph.at("inputs").each([&](Json slot) { slots.push_back(slot); });
    const Json specs = signature.at("input_specs");
    if (specs.size() != slots.size()) {
      specs.fail(fmt::format("has {} entries, the graph has {} inputs", specs.size(), slots.size()));
    }
    std::size_t index = 0;
    std::size_t user_inputs = 0;
    const auto next_name = [&](std::string_view placeholder) {
      const std::size_t i = user_inputs++;
      if (!names) return std::string(placeholder);
      return i < names->size() ? (*names)[i] : std::string();
    };
    specs.each([&](Json spec) {
      const Json slot = slots[index++];
      const auto [tag, inner] = spec.tagged();
      ProgramInput input;
      if (tag == "parameter" || tag == "buffer" || tag == "tensor_constant") {
        input.kind = tag == "parameter" ? InputKind::kParameter
                     : tag == "buffer"  ? InputKind::kBuffer
                                        : InputKind::kConstant;
        input.value = define(inner.at("arg"), scope);
        input.name = inner.at(fmt::format("{}_name", tag)).string();
        if (tag == "buffer") input.persistent = inner.at("persistent").boolean();
      } else if (tag == "user_input") {
        read_user_input(inner.at("arg"), input, scope);
        input.name = next_name(input.value);
      } else if (tag == "constant_input") {
        input.kind = InputKind::kFrozen;
        input.value = inner.at("name").string();
        input.frozen = read_argument(inner.at("value"), scope);
        input.name = next_name(input.value);
      } else {
        unsupported(spec, fmt::format("an input of kind `{}` is not supported", tag));
        return;
      }
      if (input.kind != InputKind::kFrozen) {
        const auto [slot_tag, slot_value] = slot.tagged();
        const std::string_view key = slot_tag == "as_tensor" ? "name" : "as_name";
        if (!slot_value.is_object() || slot_value.at(key).string() != input.value) {
          slot.fail(fmt::format("of input {} is not `{}`, which the signature names", index - 1, input.value));
        }
        scope.block.inputs.push_back(input.value);
      }
      program_.inputs.push_back(std::move(input));
    });
    if (names && names->size() != user_inputs) {
      specs.fail(fmt::format("has {} user inputs, in_spec has {}", user_inputs, names->size()));
    }
  }

  void read_user_input(Json argument, ProgramInput& input, Scope& scope) {
    const auto [tag, inner] = argument.tagged();
    input.kind = InputKind::kUser;
    if (tag == "as_tensor") {
      input.value = define(inner, scope);
    } else if (tag == "as_sym_int" || tag == "as_sym_bool" || tag == "as_sym_float") {
      sym_argument(inner, scope);
      input.value = inner.at("as_name").string();
    } else if (tag == "as_int" || tag == "as_bool" || tag == "as_float" || tag == "as_string" || tag == "as_none") {
      input.kind = InputKind::kFrozen;
      input.frozen = read_argument(argument, scope);
    } else {
      argument.fail(fmt::format("holds `{}`, a tensor or a number expected", tag));
    }
  }

  void read_outputs(Json signature, Json module, const Scope& scope) {
    std::optional<std::vector<std::string>> names;
    if (const auto call = root_call(module)) {
      names = output_names(call->at("out_spec").string(), named_tuples(module), call->location().where);
    }
    std::map<std::string_view, std::string_view> display;  // placeholder → name of a user input
    for (const ProgramInput& input : program_.inputs) {
      if (input.kind == InputKind::kUser) display.emplace(input.value, input.name);
    }
    std::size_t user_outputs = 0;
    const Json specs = signature.at("output_specs");
    specs.each([&](Json spec) {
      const auto [tag, inner] = spec.tagged();
      ProgramOutput output;
      if (tag == "user_output" || tag == "loss_output") {
        const std::size_t i = user_outputs++;
        if (names && i < names->size()) output.name = (*names)[i];
        if (!names) output.name = fmt::format("output.{}", i);
        output.value = tag == "user_output" ? read_argument(inner.at("arg"), scope)
                                            : Argument(TensorRef{tensor_name(inner.at("arg"), scope)});
      } else if (tag == "buffer_mutation" || tag == "parameter_mutation" || tag == "user_input_mutation") {
        output.is_mutation = true;
        output.value = TensorRef{tensor_name(inner.at("arg"), scope)};
        if (tag == "user_input_mutation") {
          const std::string_view placeholder = inner.at("user_input_name").string();
          const auto found = display.find(placeholder);
          output.name = found == display.end() ? placeholder : found->second;
        } else {
          output.name = inner.at(tag == "buffer_mutation" ? "buffer_name" : "parameter_name").string();
        }
      } else {
        unsupported(spec, fmt::format("an output of kind `{}` is not supported", tag));
        return;
      }
      program_.outputs.push_back(std::move(output));
    });
    if (names && names->size() != user_outputs) {
      specs.fail(fmt::format("has {} user outputs, out_spec has {}", user_outputs, names->size()));
    }
  }

  // Tensors in the archive must have the dtypes and shapes that the graph says.
  void check_data(const Block& block) {
    for (const ProgramInput& input : program_.inputs) {
      if (input.kind == InputKind::kUser || input.kind == InputKind::kFrozen) continue;
      const TensorType& type = block.tensors.at(input.value);
      const auto dims = constant_dims(type.dims);
      const auto found = program_.data.find(input.name);
      if (found == program_.data.end()) continue;
      const Tensor& tensor = found->second;
      if (!dims || *dims != tensor.dims() || type.dtype != tensor.dtype()) {
        bad_input("{}: tensor `{}` is {} {} in the graph, {} {} in the archive; the archive is damaged",
                  document_.root().location().where, input.name, name_of(type.dtype), to_string(type.dims),
                  name_of(tensor.dtype()), to_string(tensor.dims()));
      }
    }
  }

  JsonDocument& document_;
  Program program_;
  CallSites call_sites_;
  std::unordered_map<std::string_view, Sym> expressions_;
  std::vector<std::string> unsupported_;
};

// Entries stand under one folder of any name, or under none.
std::string root_folder(const ZipArchive& archive) {
  std::optional<std::string> root;
  for (const std::string_view name : archive.names()) {
    if (!name.ends_with(kModel)) continue;
    const std::string_view folder = name.substr(0, name.size() - kModel.size());
    if (!folder.empty() && folder.back() != '/') continue;
    if (root) {
      bad_input("{} @ {}: a second `{}` beside `{}{}`; give an archive of one program", archive.path(), name, kModel,
                *root, kModel);
    }
    root = std::string(folder);
  }
  if (!root) {
    bad_input("{}: no entry `{}` among {}; export with torch.export.save of PyTorch 2.8 or newer", archive.path(),
              kModel, archive.names().size());
  }
  return *root;
}

void check_marker(const ZipArchive& archive, const std::string& name, std::string_view known) {
  if (!archive.contains(name)) return;
  const EntryBytes bytes = archive.read(name);
  const std::string_view found = trimmed(bytes.text());
  if (found != known) {
    bad_input("{} @ {}: `{}` found, `{}` is known; export again, or update crossload", archive.path(), name,
              found.substr(0, 40), known);
  }
}

}  // namespace

Program read_pt2(const std::string& path) {
  const ZipArchive archive = ZipArchive::open(path);
  const std::string root = root_folder(archive);
  check_marker(archive, root + "archive_format", "pt2");
  check_marker(archive, root + "archive_version", kArchiveVersion);
  check_marker(archive, root + "byteorder", "little");
  const std::string name = root + std::string(kModel);
  JsonDocument document(archive.read(name).text(), fmt::format("{} @ {}", path, name));
  return ProgramReader(document, read_stored_tensors(archive, root)).read();
}

}  // namespace crossload::program
