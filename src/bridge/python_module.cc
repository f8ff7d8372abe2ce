// The Python module `crossload._engine`: the steps of the native command, inside the caller's process.
//
//   convert(request, answer, progress, interpreter) -> report     verify(…), verify_against(…) the same
//     request     JSON: the fields of ConvertRequest by name, of AgainstRequest for `verify_against`, see app/convert.h
//                 and app/against.h; those left out have their defaults
//     answer      str -> str: one request of python/crossload/README.md to its result, or {"error": …}
//     progress    (stage, text, fraction or -1)
//     report      crossload.json, or {"error": {"kind", "message", "details"}}
//   request_fields() -> [name]
//   Runner(saved_model, tensorflow, signature)                    runs a signature, by default `serving_default`
//     .inputs     {name: dtype}    .run({name: C-contiguous array of that dtype}) -> {name: array}
//     CrossloadError of kind bad-input for shapes that the signature or TensorFlow refuses
//
// The interpreter's lock is free while the engine works; callbacks take it, from whatever thread they come.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>

#include "app/against.h"
#include "app/convert.h"
#include "app/verify.h"
#include "base/error.h"
#include "report/report.h"
#include "runtime/runtime.h"
#include "savedmodel/artefact.h"

namespace nb = nanobind;
using nlohmann::json;

namespace crossload::bridge {
namespace {

using app::ConvertRequest;
using app::Progress;
using app::PythonEnvironment;
using app::PythonSide;

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json document_of(const Error& error) {
  return {{"error",
           {{"kind", std::string(name_of(error.kind()))}, {"message", error.what()}, {"details", error.details()}}}};
}

// The caller's own process plays the worker.
class InProcess : public PythonSide {
 public:
  explicit InProcess(nb::callable answer) : answer_(std::move(answer)) {}
  ~InProcess() override {
    const nb::gil_scoped_acquire lock;
    answer_.reset();
  }
  InProcess(const InProcess&) = delete;
  InProcess& operator=(const InProcess&) = delete;

  json ask(const json& request, const Progress&) override {
    std::string text;
    {
      const nb::gil_scoped_acquire lock;
      text = nb::cast<std::string>(answer_(dumped(request)));
    }
    json result = json::parse(text);
    if (result.contains("error")) {
      const json& error = result["error"];
      throw Error(error_kind_from(error.value("kind", "")), error.value("message", ""),
                  error.value("details", std::vector<std::string>{}));
    }
    return result;
  }

 private:
  nb::object answer_;
};

template <typename Request>
Request request_from(const json& asked) {
  Request request;
  std::vector<std::string> known;
  app::for_each_field(request, [&](const char* name, auto& value) {
    known.emplace_back(name);
    if (asked.contains(name)) value = asked.at(name).get<std::remove_reference_t<decltype(value)>>();
  });
  for (const auto& [name, value] : asked.items()) {
    if (std::ranges::find(known, name) == known.end())
      internal_error("request: has `{}`, which is no field of it", name);
  }
  return request;
}

template <typename Request,
          report::Report (*job)(const Request&, const PythonEnvironment&, PythonSide&, const Progress&)>
std::string run_job(const std::string& asked, nb::callable answer, nb::callable progress,
                    const std::string& interpreter) {
  const nb::gil_scoped_release unlocked;
  try {
    InProcess python(std::move(answer));
    const Progress show = [&](const std::string& stage, const std::string& text, double fraction) {
      const nb::gil_scoped_acquire lock;
      // Ctrl-C in the caller's process: Python raises it in its main thread only, and here only when asked.
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      progress(stage, text, fraction);
    };
    const Request request = request_from<Request>(json::parse(asked));
    const report::Report report = job(request, app::find_python(interpreter), python, show);
    return report::to_json(report).dump(-1, ' ', false, json::error_handler_t::replace);
  } catch (const Error& error) {
    return dumped(document_of(error));
  }
}

nb::object numpy_dtype(DType dtype) {
  if (dtype == DType::kBFloat16) nb::module_::import_("ml_dtypes");  // registers the name
  return nb::module_::import_("numpy").attr("dtype")(std::string(name_of(dtype)));
}

nb::object to_numpy(const Tensor& tensor) {
  // Any element type, bfloat16 too, goes as bytes that NumPy then sees as what they are. Nothing is copied.
  auto* keeper = new Tensor(tensor);
  const nb::capsule owner(keeper, [](void* p) noexcept { delete static_cast<Tensor*>(p); });
  auto* bytes = const_cast<std::byte*>(keeper->bytes().data());
  const nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>> flat(bytes, {keeper->bytes().size()}, owner);
  nb::list dims;
  for (const int64_t d : tensor.dims()) dims.append(d);
  return nb::cast(flat).attr("view")(numpy_dtype(tensor.dtype())).attr("reshape")(nb::tuple(dims));
}

Tensor from_numpy(const nb::handle& array, DType dtype) {
  const auto flat = nb::cast<nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>>(
      array.attr("reshape")(-1).attr("view")("uint8"));
  Dims dims;
  for (const nb::handle d : array.attr("shape")) dims.push_back(nb::cast<int64_t>(d));
  return Tensor::copy_of(dtype, std::move(dims), std::as_bytes(std::span(flat.data(), flat.size())));
}

// Errors become the Python class that the rest of the package raises.
[[noreturn]] void raise(const Error& error) {
  nb::list details;
  for (const std::string& detail : error.details()) details.append(detail);
  const nb::object type = nb::module_::import_("crossload.errors").attr("CrossloadError");
  const nb::object value = type(std::string(name_of(error.kind())), std::string(error.what()), details);
  PyErr_SetObject(type.ptr(), value.ptr());
  throw nb::python_error();
}

class Runner {
 public:
  Runner(const std::string& saved_model, const std::string& tensorflow, const std::string& signature) {
    std::unique_ptr<Error> failure;
    {
      const nb::gil_scoped_release unlocked;
      try {
        signature_ = savedmodel::Artefact(saved_model).signature(signature);
        runtime_ = runtime::Runtime::load(tensorflow);
        session_.emplace(runtime_->load_saved_model(saved_model));
      } catch (const Error& error) {
        failure = std::make_unique<Error>(error);
      }
    }
    if (failure) raise(*failure);
  }

  nb::dict inputs() const {
    nb::dict found;
    for (const auto& [name, port] : signature_.inputs) found[name.c_str()] = numpy_dtype(port.dtype);
    return found;
  }

  nb::dict run(const nb::dict& arrays) const {
    runtime::Session::Feeds feeds;
    for (const auto& [name, port] : signature_.inputs) {
      Tensor tensor = from_numpy(arrays[name.c_str()], port.dtype);
      if (!port.takes(tensor.dims())) {
        raise(Error(ErrorKind::kBadInput, fmt::format("run: `{}` is {}; the program takes {}, as it was exported", name,
                                                      to_string(tensor.dims()), port.shape_text())));
      }
      feeds.emplace_back(port.tensor, std::move(tensor));
    }
    std::vector<std::string> fetches;
    for (const auto& [name, port] : signature_.outputs) fetches.push_back(port.tensor);
    std::map<std::string, Tensor> values;
    std::unique_ptr<Error> failure;
    {
      const nb::gil_scoped_release unlocked;
      try {
        values = session_->run(feeds, fetches);
      } catch (const Error& error) {
        // TensorFlow refuses inputs whose shapes do not go together: the caller's, not ours.
        failure = std::make_unique<Error>(ErrorKind::kBadInput, fmt::format("run: {}", error.what()), error.details());
      }
    }
    if (failure) raise(*failure);
    nb::dict found;
    for (const auto& [name, port] : signature_.outputs) found[name.c_str()] = to_numpy(values.at(port.tensor));
    return found;
  }

 private:
  savedmodel::Signature signature_;
  std::shared_ptr<runtime::Runtime> runtime_;
  std::optional<runtime::Session> session_;
};

}  // namespace
}  // namespace crossload::bridge

NB_MODULE(_engine, module) {
  using namespace crossload::bridge;
  module.doc() = "The crossload engine: the steps of the native command, inside this process.";
  using crossload::app::AgainstRequest, crossload::app::ConvertRequest;
  module.def("convert", &run_job<ConvertRequest, &crossload::app::convert>, nb::arg("request"), nb::arg("answer"),
             nb::arg("progress"), nb::arg("interpreter"));
  module.def("verify", &run_job<ConvertRequest, &crossload::app::verify_again>, nb::arg("request"), nb::arg("answer"),
             nb::arg("progress"), nb::arg("interpreter"));
  module.def("verify_against", &run_job<AgainstRequest, &crossload::app::verify_against>, nb::arg("request"),
             nb::arg("answer"), nb::arg("progress"), nb::arg("interpreter"));
  module.def("request_fields", [] { return crossload::app::field_names(); });
  nb::class_<Runner>(module, "Runner")
      .def(nb::init<const std::string&, const std::string&, const std::string&>(), nb::arg("saved_model"),
           nb::arg("tensorflow"), nb::arg("signature") = "serving_default")
      .def_prop_ro("inputs", &Runner::inputs)
      .def("run", &Runner::run, nb::arg("arrays"));
}
