#include "app/python_environment.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "base/error.h"

namespace crossload::app {
namespace fs = std::filesystem;

namespace {

std::string quoted_for_shell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool can_be_started(const fs::path& program) {
  std::error_code ignored;
  return fs::is_regular_file(program, ignored) && ::access(program.c_str(), X_OK) == 0;
}

fs::path on_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder) / name;
    if (can_be_started(candidate)) return candidate;
  }
  return {};
}

// What the interpreter prints for a line of code, without the line break.
std::string printed_by(const fs::path& interpreter, const std::string& code) {
  const std::string command = quoted_for_shell(interpreter.string()) + " -c " + quoted_for_shell(code) + " 2>/dev/null";
  std::string printed;
  if (FILE* pipe = ::popen(command.c_str(), "r")) {
    char chunk[512];
    while (std::fgets(chunk, sizeof chunk, pipe) != nullptr) printed += chunk;
    ::pclose(pipe);
  }
  while (!printed.empty() && (printed.back() == '\n' || printed.back() == '\r')) printed.pop_back();
  return printed;
}

// Where the interpreter imports from, besides its own site-packages: the user's, the system's, `.pth` files. Asked
// once.
const std::vector<fs::path>& search_path_of(const fs::path& interpreter) {
  static std::map<fs::path, std::vector<fs::path>> known;
  static std::mutex access;
  const std::lock_guard lock(access);
  const auto [at, is_new] = known.try_emplace(interpreter);
  if (is_new && !interpreter.empty()) {
    std::stringstream lines(printed_by(interpreter, "import sys; print(*sys.path, sep=\"\\n\")"));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) at->second.emplace_back(line);
    }
  }
  return at->second;
}

// The version of a `.dist-info` folder in a folder of packages, or nothing.
std::string version_in(const fs::path& packages, const std::string& package) {
  std::error_code ignored;
  const std::string prefix = package + "-", suffix = ".dist-info";
  for (const auto& entry : fs::directory_iterator(packages, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix)) {
      return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    }
  }
  return {};
}

// A virtual environment's packages lie beside its bin folder. Outside of one the interpreter knows; it is asked only
// then.
fs::path site_packages_of(const fs::path& interpreter) {
  std::error_code ignored;
  const fs::path lib = interpreter.parent_path().parent_path() / "lib";
  for (const auto& entry : fs::directory_iterator(lib, ignored)) {
    const std::string name = entry.path().filename().string();
    const fs::path packages = entry.path() / "site-packages";
    if (name.starts_with("python3") && fs::is_directory(packages, ignored)) return packages;
  }
  return printed_by(interpreter, "import sysconfig; print(sysconfig.get_paths()[\"purelib\"])");
}

}  // namespace

std::string PythonEnvironment::version_of(const std::string& package) const {
  std::string version = version_in(site_packages, package);
  if (!version.empty()) return version;
  for (const fs::path& packages : search_path_of(interpreter)) {
    version = version_in(packages, package);
    if (!version.empty()) return version;
  }
  return {};
}

fs::path PythonEnvironment::tensorflow() const {
  if (const char* given = std::getenv("CROSSLOAD_TENSORFLOW"); given != nullptr && *given != '\0') return given;
  std::error_code ignored;
  const fs::path own = site_packages / "tensorflow";
  if (interpreter.empty() || fs::is_directory(own, ignored)) return own;
  const std::string found = printed_by(interpreter,
                                       "import importlib.util as u; s = u.find_spec(\"tensorflow\"); "
                                       "print(s.submodule_search_locations[0] if s else \"\")");
  return found.empty() ? own : fs::path(found);
}

PythonEnvironment find_python(const std::string& given) {
  PythonEnvironment environment;
  if (!given.empty()) {
    environment.interpreter = given.find('/') == std::string::npos ? on_path(given) : fs::path(given);
    if (!can_be_started(environment.interpreter)) {
      fail(ErrorKind::kEnvironment, "python: `{}` is no program that can be started; check --python", given);
    }
  } else {
    std::error_code ignored;
    const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
    for (const char* name : {"python3", "python"}) {
      const fs::path beside = self.parent_path() / name;
      if (environment.interpreter.empty() && can_be_started(beside)) environment.interpreter = beside;
    }
    if (environment.interpreter.empty()) environment.interpreter = on_path("python3");
  }
  if (!environment.interpreter.empty()) environment.site_packages = site_packages_of(environment.interpreter);
  return environment;
}

}  // namespace crossload::app
