// The functions of TensorFlow's C API that crossload calls, as tensorflow/c/c_api.h of 2.21 declares them. They are
// found by name in the loaded library; nothing of TensorFlow is linked or included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

// Opaque, and named as TensorFlow names them.
struct TF_Status;
struct TF_Tensor;
struct TF_Graph;
struct TF_Operation;
struct TF_Session;
struct TF_SessionOptions;
struct TF_ImportGraphDefOptions;

namespace crossload::runtime {

struct TfBuffer {
  const void* data;
  std::size_t length;
  void (*data_deallocator)(void* data, std::size_t length);
};

/// One output of one operation.
struct TfOutput {
  TF_Operation* operation;
  int index;
};

using TfDeallocator = void (*)(void* data, std::size_t length, void* argument);

#define CROSSLOAD_TENSORFLOW_FUNCTIONS(F)                                                                      \
  F(TF_Version, const char*, (void))                                                                           \
  F(TF_NewStatus, TF_Status*, (void))                                                                          \
  F(TF_DeleteStatus, void, (TF_Status*))                                                                       \
  F(TF_GetCode, int, (const TF_Status*))                                                                       \
  F(TF_Message, const char*, (const TF_Status*))                                                               \
  F(TF_NewTensor, TF_Tensor*, (int, const int64_t*, int, void*, std::size_t, TfDeallocator, void*))            \
  F(TF_DeleteTensor, void, (TF_Tensor*))                                                                       \
  F(TF_TensorType, int, (const TF_Tensor*))                                                                    \
  F(TF_NumDims, int, (const TF_Tensor*))                                                                       \
  F(TF_Dim, int64_t, (const TF_Tensor*, int))                                                                  \
  F(TF_TensorByteSize, std::size_t, (const TF_Tensor*))                                                        \
  F(TF_TensorData, void*, (const TF_Tensor*))                                                                  \
  F(TF_NewGraph, TF_Graph*, (void))                                                                            \
  F(TF_DeleteGraph, void, (TF_Graph*))                                                                         \
  F(TF_GraphOperationByName, TF_Operation*, (TF_Graph*, const char*))                                          \
  F(TF_OperationNumOutputs, int, (TF_Operation*))                                                              \
  F(TF_OperationOutputType, int, (TfOutput))                                                                   \
  F(TF_NewImportGraphDefOptions, TF_ImportGraphDefOptions*, (void))                                            \
  F(TF_DeleteImportGraphDefOptions, void, (TF_ImportGraphDefOptions*))                                         \
  F(TF_GraphImportGraphDef, void, (TF_Graph*, const TfBuffer*, const TF_ImportGraphDefOptions*, TF_Status*))   \
  F(TF_NewSessionOptions, TF_SessionOptions*, (void))                                                          \
  F(TF_DeleteSessionOptions, void, (TF_SessionOptions*))                                                       \
  F(TF_SetConfig, void, (TF_SessionOptions*, const void*, std::size_t, TF_Status*))                            \
  F(TF_NewSession, TF_Session*, (TF_Graph*, const TF_SessionOptions*, TF_Status*))                             \
  F(TF_LoadSessionFromSavedModel, TF_Session*,                                                                 \
    (const TF_SessionOptions*, const TfBuffer*, const char*, const char* const*, int, TF_Graph*, TfBuffer*,    \
     TF_Status*))                                                                                              \
  F(TF_CloseSession, void, (TF_Session*, TF_Status*))                                                          \
  F(TF_DeleteSession, void, (TF_Session*, TF_Status*))                                                         \
  F(TF_SessionRun, void,                                                                                       \
    (TF_Session*, const TfBuffer*, const TfOutput*, TF_Tensor* const*, int, const TfOutput*, TF_Tensor**, int, \
     const TF_Operation* const*, int, TfBuffer*, TF_Status*))

struct TensorFlowApi {
#define CROSSLOAD_DECLARE(name, result, parameters) result(*name) parameters = nullptr;
  CROSSLOAD_TENSORFLOW_FUNCTIONS(CROSSLOAD_DECLARE)
#undef CROSSLOAD_DECLARE
};

/// Loads `libtensorflow_cc.so.2` from the folder of the Python package `tensorflow`. Its symbols stay local, so that
/// its protobuf does not meet ours. It is never unloaded: TensorFlow leaves threads behind. Throws `kEnvironment`.
TensorFlowApi load_tensorflow_api(const std::filesystem::path& package);

}  // namespace crossload::runtime
