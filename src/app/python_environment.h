// The interpreter of the Python side and the packages beside it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "app/python_side.h"

namespace crossload::app {

/// Where Python and its packages lie. The interpreter is asked only for what does not lie in its own site-packages.
struct PythonEnvironment {
  std::filesystem::path interpreter;    // may be empty: none found
  std::filesystem::path site_packages;  // may be empty
  // Where our package lies when this environment does not have it; may be empty, or not exist.
  std::filesystem::path package_elsewhere;
  /// The installed version by the name of its `.dist-info` folder, empty when there is none.
  std::string version_of(const std::string& package) const;
  /// The folder of the tensorflow package: that of `CROSSLOAD_TENSORFLOW`, else the one that the interpreter would
  /// import; may not exist.
  std::filesystem::path tensorflow() const;
};

/// `given` (from --python), else the interpreter beside this program, else `python3` on the PATH.
/// Throws `kEnvironment` when `given` does not exist.
PythonEnvironment find_python(const std::string& given);

/// Starts the worker of an environment, which ends with the object.
using StartPython = std::function<std::unique_ptr<PythonSide>(const PythonEnvironment&)>;

}  // namespace crossload::app
