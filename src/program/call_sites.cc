#include "program/call_sites.h"

#include <algorithm>

namespace crossload::program {
namespace {

constexpr std::string_view kCompilerMade = "_empty_nn_module_stack_from_metadata_hook";

// Splits at `separator` outside of brackets: a class may be written `Foo[int, str]`.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '[' || c == '(') ++depth;
    if (c == ']' || c == ')') --depth;
    if (c == separator && depth <= 0) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

bool is_pytorch(std::string_view path) {
  return path.starts_with("torch/") || path.find("-packages/torch/") != path.npos ||
         path.find("/torch/nn/modules/") != path.npos;
}

}  // namespace

CallSite module_of(std::string_view module_stack) {
  CallSite site;
  const auto fields = split(split(module_stack, ';').back(), ',');
  if (fields.size() < 3 || fields[0] == kCompilerMade) return site;
  site.module = fields[1];
  site.module_class = fields[2].substr(fields[2].rfind('.') + 1);
  site.call = site.module;
  // The second call of a module has `@1` behind its key, and there only.
  const std::string_view key = fields[0];
  const std::size_t mark = key.rfind('@');
  if (mark != key.npos && mark + 1 < key.size() && key.find_first_not_of("0123456789", mark + 1) == key.npos) {
    site.call += key.substr(mark);
  }
  return site;
}

std::string source_of(std::string_view stack_trace) {
  constexpr std::string_view kFile = "File \"";
  constexpr std::string_view kLine = "\", line ";
  std::string_view any_path, any_line, path, line;
  for (std::size_t begin = 0; begin < stack_trace.size();) {
    const std::size_t end = std::min(stack_trace.find('\n', begin), stack_trace.size());
    std::string_view frame = stack_trace.substr(begin, end - begin);
    begin = end + 1;
    frame.remove_prefix(std::min(frame.find_first_not_of(' '), frame.size()));
    if (!frame.starts_with(kFile)) continue;
    frame.remove_prefix(kFile.size());
    const std::size_t path_end = frame.find(kLine);
    if (path_end == frame.npos) continue;
    if (frame.starts_with('<')) continue;  // code that torch.fx generated
    any_path = frame.substr(0, path_end);
    any_line = frame.substr(path_end + kLine.size());
    any_line = any_line.substr(0, any_line.find_first_not_of("0123456789"));
    if (!is_pytorch(any_path)) {
      path = any_path;
      line = any_line;
    }
  }
  if (path.empty()) {
    path = any_path;
    line = any_line;
  }
  if (path.empty()) return {};
  return std::string(path.substr(path.find_last_of("/\\") + 1)) + ":" + std::string(line);
}

int CallSites::index_of(std::string_view module_stack, std::string_view stack_trace) {
  if (module_stack.starts_with(kCompilerMade)) return -1;
  CallSite site = module_of(module_stack);
  site.source = source_of(stack_trace);
  if (site.module.empty() && site.module_class.empty() && site.source.empty()) return -1;
  std::string key = site.call;
  for (const std::string* part : {&site.module, &site.module_class, &site.source}) {
    key += '\n';
    key += *part;
  }
  const auto [found, is_new] = indices_.emplace(std::move(key), static_cast<int>(call_sites_.size()));
  if (is_new) call_sites_.push_back(std::move(site));
  return found->second;
}

}  // namespace crossload::program
