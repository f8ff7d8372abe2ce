#include "reading.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  return crossload::read_weights(data, size, crossload::read_safetensors);
}
