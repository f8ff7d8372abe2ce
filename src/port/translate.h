// A modeling file of PyTorch as one of TensorFlow: classes, statements and expressions by the tables in rules.h.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace crossload::port {

struct PortedFile {
  std::string text;
  std::vector<std::string> classes;  // public ones, in the file's order
  std::vector<std::string> notes;    // what was left out, and why
};

/// `source` is Python's answer to `port_source`. Throws `kUnsupported` with every call that has no rule, each with file
/// and line; parts that no probe reached raise NotImplementedError in the written file instead, and are noted.
PortedFile translate(const nlohmann::json& source);

}  // namespace crossload::port
