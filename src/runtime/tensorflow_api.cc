#include "runtime/tensorflow_api.h"

#include <dlfcn.h>

#include <cstdlib>

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

}  // namespace

TensorFlowApi load_tensorflow_api(const std::filesystem::path& package) {
  const std::filesystem::path path = package / kLibrary;
  std::error_code ignored;
  if (package.empty()) fail(ErrorKind::kEnvironment, "TensorFlow: no folder given to look in; {}", kAdvice);
  if (!std::filesystem::is_regular_file(path, ignored)) {
    fail(ErrorKind::kEnvironment, "{}: no TensorFlow here, `{}` is missing; {}", package.string(), kLibrary, kAdvice);
  }
  // Read once, while the library is being loaded: progress notes out, warnings of status 2 and more stay.
  setenv("TF_CPP_MIN_LOG_LEVEL", "2", /*overwrite=*/0);
  void* library = dlopen(path.c_str(), kMode);
  if (!library) {
    fail(ErrorKind::kEnvironment, "{}: cannot be loaded ({}); {}", path.string(), dlerror(), kAdvice);
  }
  TensorFlowApi api;
#define CROSSLOAD_FIND(name, result, parameters) find(library, path, #name, api.name);
  CROSSLOAD_TENSORFLOW_FUNCTIONS(CROSSLOAD_FIND)
#undef CROSSLOAD_FIND
  return api;
}

}  // namespace crossload::runtime
