#include "runtime/tensorflow_api.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/error.h"

namespace crossload::runtime {
namespace {

// TensorFlow contains protobuf and snappy under the same symbol names as the system's libraries. It must find its own
// first (deep binding), and nobody else may find them (local): mixed, the first message registered twice ends the
// process. The sanitizers' allocator cannot be combined with deep binding; sanitizer builds therefore run TensorFlow
// only where no library is linked that TensorFlow contains, too.
#ifdef __SANITIZE_ADDRESS__
constexpr int kMode = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kMode = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

constexpr const char* kLibrary = "libtensorflow_cc.so.2";
constexpr const char* kAdvice = "pip install tensorflow-cpu==2.21.0";

template <typename Function>
void find(void* library, const std::filesystem::path& path, const char* name, Function& function) {
  void* symbol = dlsym(library, name);
  if (!symbol) fail(ErrorKind::kEnvironment, "{}: no function `{}` in it; {}", path.string(), name, kAdvice);
  function = reinterpret_cast<Function>(symbol);
}

/// TensorFlow logs what its CPU cannot do right before it ends the process; that must be seen.
bool has_what_tensorflow_needs() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx") != 0;
#else
  return false;
#endif
}

struct Opened {
  void* library = nullptr;
  std::string error;
};

Opened open_library(const std::string& path) {
  Opened opened{.library = dlopen(path.c_str(), kMode), .error = {}};
  if (!opened.library) opened.error = dlerror();
  return opened;
}

/// While it is being loaded TensorFlow logs whatever `TF_CPP_MIN_LOG_LEVEL` says, into the midst of progress. A thread
/// with a table of file descriptors of its own loads it: standard error is nowhere in that thread alone.
Opened open_library_silently(const std::string& path) {
  Opened opened;
  const auto open_here = [&] {
    if (unshare(CLONE_FILES) == 0) {
      const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
      if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    }
    opened = open_library(path);
  };
  try {
    std::thread(open_here).join();
  } catch (const std::system_error&) {  // no thread to be had
    opened = open_library(path);
  }
  return opened;
}

}  // namespace

TensorFlowApi load_tensorflow_api(const std::filesystem::path& package) {
  const std::filesystem::path path = package / kLibrary;
  std::error_code ignored;
  if (package.empty()) fail(ErrorKind::kEnvironment, "TensorFlow: no folder given to look in; {}", kAdvice);
  if (!std::filesystem::is_regular_file(path, ignored)) {
    fail(ErrorKind::kEnvironment, "{}: no TensorFlow here, `{}` is missing; {}", package.string(), kLibrary, kAdvice);
  }
  // Read once, while the library is being loaded: progress notes out, warnings of status 2 and more stay.
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  const bool is_asked_for = level != nullptr && std::string_view(level) == "0";
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", /*overwrite=*/0);
  const auto [library, error] =
      is_asked_for || !has_what_tensorflow_needs() ? open_library(path.string()) : open_library_silently(path.string());
  if (!library) fail(ErrorKind::kEnvironment, "{}: cannot be loaded ({}); {}", path.string(), error, kAdvice);
  TensorFlowApi api;
#define CROSSLOAD_FIND(name, result, parameters) find(library, path, #name, api.name);
  CROSSLOAD_TENSORFLOW_FUNCTIONS(CROSSLOAD_FIND)
#undef CROSSLOAD_FIND
  return api;
}

}  // namespace crossload::runtime
