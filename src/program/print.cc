#include <algorithm>

#include "base/error.h"
#include "program/program.h"

namespace crossload::program {
namespace {

constexpr std::string_view kMemoryFormats[] = {"unknown", "contiguous", "channels_last", "channels_last_3d",
                                               "preserve"};

std::string real_text(double value) { return Sym::real(value).text(); }

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result += '"';
}

template <typename T, typename F>
std::string list_text(const std::vector<T>& items, F text_of) {
  std::string result = "[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) result += ", ";
    result += text_of(items[i]);
  }
  return result += ']';
}

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program) {}

  std::string program() {
    for (const auto& [name, range] : program_.ranges) print_symbol(name, range);
    for (const ProgramInput& input : program_.inputs) print_input(input);
    print_nodes(program_.main, "");
    for (const ProgramOutput& output : program_.outputs) {
      text_ += fmt::format("{} {} = {}\n", output.is_mutation ? "mutation" : "output", output.name,
                           argument(output.value, ""));
    }
    return std::move(text_);
  }

 private:
  void print_symbol(const std::string& name, const Range& range) {
    const auto bound = [](std::optional<int64_t> b) { return b ? std::to_string(*b) : std::string(); };
    text_ += fmt::format("symbol {}: {}..{}", name, bound(range.min), bound(range.max));
    const auto hint = program_.hints.find(name);
    if (hint != program_.hints.end()) text_ += fmt::format(", traced with {}", hint->second);
    text_ += '\n';
  }

  void print_input(const ProgramInput& input) {
    if (input.kind == InputKind::kFrozen) {
      text_ += fmt::format("frozen {} = {}\n", input.name, argument(input.frozen, ""));
      return;
    }
    std::string_view kind = "input";
    if (input.kind == InputKind::kParameter) kind = "parameter";
    if (input.kind == InputKind::kBuffer) kind = input.persistent ? "buffer" : "buffer (not persistent)";
    if (input.kind == InputKind::kConstant) kind = "constant";
    text_ += fmt::format("{} {} = %{}{}", kind, input.name, input.value, type_text(program_.main, input.value));
    if (program_.data.contains(input.name) && input.kind != InputKind::kUser) text_ += "  # in the archive";
    text_ += '\n';
  }

  static std::string type_text(const Block& block, const std::string& value) {
    if (const auto tensor = block.tensors.find(value); tensor != block.tensors.end()) {
      return fmt::format(" : {}{}", name_of(tensor->second.dtype), to_string(tensor->second.dims));
    }
    if (const auto sym = block.syms.find(value); sym != block.syms.end()) return " : " + sym->second.text();
    return {};
  }

  static std::string short_type(const Block& block, const std::string& value) {
    const std::string text = type_text(block, value);
    return text.empty() ? "None" : text.substr(3);
  }

  void print_nodes(const Block& block, const std::string& indent) {
    for (const Node& node : block.nodes) {
      std::string results, types;
      for (const Result& result : node.results) {
        if (!results.empty()) results += ", ";
        if (!types.empty()) types += ", ";
        const auto name = [](const std::string& n) { return n.empty() ? std::string("_") : "%" + n; };
        const auto type = [&](const std::string& n) { return short_type(block, n); };
        if (result.is_list) {
          results += list_text(result.tensors, name);
          types += list_text(result.tensors, type);
        } else {
          const std::string& value = result.tensors.empty() ? result.sym : result.tensors[0];
          results += name(value);
          types += type(value);
        }
      }
      std::string arguments;
      for (const NamedArgument& a : node.arguments) {
        if (!arguments.empty()) arguments += ", ";
        if (!a.name.empty()) arguments += a.name + "=";
        arguments += argument(a.value, indent);
      }
      text_ += fmt::format("{}{}{}{}({})", indent, results, results.empty() ? "" : " = ", node.target, arguments);
      if (!types.empty()) text_ += " : " + types;
      if (node.call_site >= 0) print_call_site(program_.call_sites[static_cast<std::size_t>(node.call_site)]);
      text_ += '\n';
    }
  }

  void print_call_site(const CallSite& site) {
    text_ += "  #";
    for (const std::string* part : {&site.call, &site.module_class, &site.source}) {
      if (!part->empty()) text_ += " " + *part;
    }
  }

  std::string block_text(const Block& block, const std::string& indent) {
    std::string outer = std::move(text_);
    text_ = "{(";
    for (std::size_t i = 0; i < block.inputs.size(); ++i) {
      if (i > 0) text_ += ", ";
      text_ += block.inputs[i].empty() ? "_" : "%" + block.inputs[i] + type_text(block, block.inputs[i]);
    }
    text_ += ")\n";
    print_nodes(block, indent + "  ");
    text_ += indent + "  return " + list_text(block.outputs, [&](const Argument& a) { return argument(a, indent); });
    text_ += "}";
    std::swap(outer, text_);
    return outer;
  }

  std::string argument(const Argument& value, const std::string& indent) {
    struct Visitor {
      Printer& printer;
      const std::string& indent;

      std::string operator()(const None&) { return "None"; }
      std::string operator()(const TensorRef& t) { return "%" + t.name; }
      std::string operator()(const TensorList& t) {
        return list_text(t.names, [](const std::optional<std::string>& n) { return n ? "%" + *n : "None"; });
      }
      std::string operator()(const Sym& s) { return s.text(); }
      std::string operator()(const std::vector<Sym>& s) { return to_string(s); }
      std::string operator()(double d) { return real_text(d); }
      std::string operator()(const std::vector<double>& d) { return list_text(d, real_text); }
      std::string operator()(bool b) { return b ? "True" : "False"; }
      std::string operator()(const std::vector<bool>& b) {
        std::vector<std::string> words;
        for (const bool x : b) words.push_back((*this)(x));
        return list_text(words, [](const std::string& w) { return w; });
      }
      std::string operator()(const std::string& s) { return quoted(s); }
      std::string operator()(const std::vector<std::string>& s) { return list_text(s, quoted); }
      std::string operator()(const ScalarType& t) { return std::string(name_of(t.dtype)); }
      std::string operator()(const MemoryFormat& f) {
        const auto code = static_cast<std::size_t>(f.code);
        return code < std::size(kMemoryFormats) ? std::string(kMemoryFormats[code]) : fmt::format("format({})", f.code);
      }
      std::string operator()(const Layout& l) { return l.code == 7 ? "strided" : fmt::format("layout({})", l.code); }
      std::string operator()(const Device& d) { return d.type; }
      std::string operator()(const Complex& c) { return fmt::format("({}+{}j)", real_text(c.real), real_text(c.imag)); }
      std::string operator()(const std::shared_ptr<const Block>& b) { return printer.block_text(*b, indent); }
    };
    return std::visit(Visitor{*this, indent}, value);
  }

  const Program& program_;
  std::string text_;
};

}  // namespace

std::string print(const Program& program) { return Printer(program).program(); }

}  // namespace crossload::program
