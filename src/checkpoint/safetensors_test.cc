#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <string>

#include "checkpoint/checkpoint.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace crossload {
namespace {

namespace fs = std::filesystem;

std::string length(uint64_t n) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &n, 8);
  return bytes;
}

std::string safetensors(const std::string& header, std::size_t data_size) {
  std::string data(data_size, '\0');
  for (std::size_t i = 0; i < data_size; ++i) data[i] = static_cast<char>(i);
  return length(header.size()) + header + data;
}

const std::string kTwo = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]},)"
                         R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}  )";

// What is said about the file `model.safetensors` with these bytes.
std::string refusal(const std::string& bytes) {
  TempFolder temp;
  const fs::path file = temp.path / "model.safetensors";
  write_bytes(file, bytes);
  const std::string message = message_of(ErrorKind::kBadInput, [&] { open_safetensors(file); });
  if (message == "no error") return message;
  CHECK(message.starts_with(file.string() + " @ 0x"));
  return message.substr(temp.path.string().size() + 1);
}

std::string tensor_refusal(const std::string& tensors, std::size_t data_size) {
  return refusal(safetensors("{" + tensors + "}", data_size));
}

std::string folder_refusal(const fs::path& folder) {
  const std::string message = message_of(ErrorKind::kBadInput, [&] { open_checkpoint(folder); });
  CHECK(message.starts_with(folder.string()));
  return message.substr(folder.string().size());
}

bool holds(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

TEST_CASE("a safetensors file is mapped, entries are sorted by name") {
  TempFolder temp;
  write_bytes(temp.path / "model.safetensors", safetensors(kTwo, 32));
  Tensor a;
  {
    const Checkpoint checkpoint = open_checkpoint(temp.path);
    REQUIRE(checkpoint.entries().size() == 2);
    CHECK(checkpoint.entries()[0].name == "a");
    CHECK(checkpoint.entries()[1].name == "b");
    CHECK(checkpoint.entries()[1].dtype == DType::kInt64);
    CHECK(checkpoint.entries()[0].file == temp.path / "model.safetensors");
    CHECK(checkpoint.find("a")->dims == Dims{2, 3});
    CHECK(checkpoint.find("c") == nullptr);
    CHECK_THROWS_AS(checkpoint.tensor("c"), Error);
    CHECK(checkpoint.tensor("b").at<int64_t>(0) == 0x1f1e1d1c1b1a1918);
    a = checkpoint.tensor("a");
    CHECK(a.bytes().data() == checkpoint.tensor("a").bytes().data());
  }
  CHECK(a.at<uint32_t>(1) == 0x07060504);  // the mapping outlives the checkpoint
}

TEST_CASE("an empty file of tensors and tensors without elements are fine") {
  CHECK(refusal(safetensors("{}", 0)) == "no error");
  CHECK(tensor_refusal(R"("a":{"dtype":"F16","shape":[0,5],"data_offsets":[0,0]})", 0) == "no error");
}

TEST_CASE("bad: truncated files") {
  const std::string whole = safetensors(kTwo, 32);
  holds(refusal(""), "model.safetensors @ 0x0000: the file has 0 bytes; a safetensors file has at least 8");
  holds(refusal(whole.substr(0, 7)), "the file has 7 bytes");
  holds(refusal(whole.substr(0, 50)), "bytes, the file has 42 after its length; download it again");
  holds(refusal(whole.substr(0, whole.size() - 1)), "tensor `b` ends at byte 32 of the data, the file has 31");
}

TEST_CASE("bad: header length beyond the file or the limit") {
  holds(refusal(length(1000) + "{}"), "the header is said to have 1000 bytes, the file has 2");
  holds(refusal(length(100'000'001) + "{}"), "the header is said to have 100000001 bytes, the limit is 100000000");
  holds(refusal(length(UINT64_MAX) + "{}"), "18446744073709551615 bytes, the limit is 100000000");
  holds(refusal(length(0)), "@ 0x0008: the header does not begin with `{`");
}

TEST_CASE("bad: a name that would steer the terminal is shown without its control characters") {
  holds(tensor_refusal(R"("a\u001b[2J":{"dtype":"F31","shape":[],"data_offsets":[0,4]})", 4), "tensor `a?[2J` has");
}

TEST_CASE("bad: a header that is no JSON object in UTF-8") {
  holds(refusal(safetensors("{\"a\xff\":1}", 0)), "the header is no JSON object");
  holds(refusal(safetensors("{\"a\":", 0)), "the header is no JSON object");
  holds(refusal(safetensors("[]", 0)), "does not begin with `{`");
  holds(refusal(safetensors("{}x", 0)), "the header is no JSON object");
  holds(refusal(safetensors(std::string(5000, '{'), 0)), "the header is no JSON object");
  holds(refusal(std::string("\x80\x02}q\0.....", 11)), "@ 0x0000: the header is said to have");  // a pickle
}

TEST_CASE("bad: fields missing or of another type") {
  holds(tensor_refusal(R"("a":3)", 0), "tensor `a` has no `dtype`");
  holds(tensor_refusal(R"("a":{"dtype":7,"shape":[],"data_offsets":[0,0]})", 0), "tensor `a` has no `dtype`");
  holds(tensor_refusal(R"("a":{"dtype":"F31","shape":[],"data_offsets":[0,4]})", 4), "unknown dtype `F31`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","data_offsets":[0,4]})", 4), "has no `shape`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[]})", 4), "has no `data_offsets`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[],"data_offsets":[0]})", 4), "has no `data_offsets`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]})", 4), "has no `data_offsets`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[],"data_offsets":[4,0]})", 4), "has no `data_offsets`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[],"data_offsets":[-4,0]})", 4), "has no `data_offsets`");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), "has dimension -1");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]})", 4), "has dimension 1.5");
}

TEST_CASE("bad: byte count against dtype and shape") {
  CHECK(tensor_refusal(R"("w":{"dtype":"F32","shape":[768,768],"data_offsets":[0,4096]})", 4096) ==
        "model.safetensors @ 0x0047: tensor `w` has 4096 bytes; shape [768, 768] f32 needs 2359296");
}

TEST_CASE("bad: dimensions that overflow") {
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
        "tensor `a` has shape [4294967296, 4294967296], whose bytes do not fit 63 bits");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,0]})", 0), "63 bits");
  holds(tensor_refusal(R"("a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,0]})", 0),
        "has dimension 18446744073709551615");
}

TEST_CASE("bad: gaps, overlaps, trailing bytes, names twice") {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  CHECK(tensor_refusal(a, 4) == "no error");
  holds(tensor_refusal(a, 6), "2 bytes follow the last tensor");
  holds(tensor_refusal(a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]})", 8),
        "tensor `b` begins at byte 6 of the data, the one before it ends at 4; no gaps are allowed");
  holds(tensor_refusal(a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]})", 6),
        "tensor `b` begins at byte 2 of the data, the one before it ends at 4; tensors must not overlap");
  holds(tensor_refusal(a + R"(,"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]})", 8),
        "tensor `a` stands twice; names must be unique");
  holds(
      tensor_refusal(R"("a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551615]})", 4),
      "tensor `a` ends at byte 18446744073709551615");
}

struct Sharded : TempFolder {
  Sharded() {
    write_bytes(path / "s1.safetensors", safetensors(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
    write_bytes(path / "s2.safetensors", safetensors(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
    index(R"({"a":"s1.safetensors","b":"s2.safetensors"})");
  }
  void index(const std::string& weight_map) {
    write_bytes(path / "model.safetensors.index.json", R"({"metadata":{},"weight_map":)" + weight_map + "}");
  }
};

TEST_CASE("shards are read through their index") {
  Sharded folder;
  const Checkpoint checkpoint = open_checkpoint(folder.path);
  REQUIRE(checkpoint.entries().size() == 2);
  CHECK(checkpoint.find("b")->file == folder.path / "s2.safetensors");
  CHECK(checkpoint.tensor("b").dims() == Dims{2});
  CHECK(open_checkpoint(folder.path / "model.safetensors.index.json").entries().size() == 2);
  CHECK(open_checkpoint(folder.path / "s1.safetensors").entries().size() == 1);
}

TEST_CASE("bad: an index that does not fit its shards") {
  Sharded folder;
  folder.index(R"({"a":"s1.safetensors","b":"s3.safetensors"})");
  holds(folder_refusal(folder.path), "1 of 2 shards are not there, the first is `s3.safetensors`; download them");
  folder.index(R"({"a":"s1.safetensors","c":"s2.safetensors"})");
  holds(folder_refusal(folder.path), "tensor `c` is said to be in `s2.safetensors`, which has 1 tensors but not");
  folder.index(R"({"a":"s1.safetensors","a":"s2.safetensors"})");
  holds(folder_refusal(folder.path), "tensor `a` stands twice");
  folder.index(R"({"a":1})");
  holds(folder_refusal(folder.path), "tensor `a` has no file name");
  folder.index("[]");
  holds(folder_refusal(folder.path), "has no object `weight_map`");
  folder.index("");
  holds(folder_refusal(folder.path), "model.safetensors.index.json @ 0x0000: is no JSON");
}

TEST_CASE("bad: an index that names a file outside its folder") {
  Sharded folder;
  for (const std::string file :
       {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    folder.index(R"({"a":")" + file + R"("})");
    holds(folder_refusal(folder.path), "a shard must be a file beside the index");
  }
}

TEST_CASE("bad: a folder without weights") {
  TempFolder temp;
  holds(folder_refusal(temp.path),
        ": holds no weights, looked for `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`");
  holds(folder_refusal(temp.path / "nothing"), "cannot be opened: No such file");
  write_bytes(temp.path / "adapter_config.json", R"({"peft_type":"LORA","base_model_name_or_path":"a/b"})");
  holds(folder_refusal(temp.path), "holds only an adapter (LORA) of the model `a/b`; merge it");
}

TEST_CASE("tensors in memory, and several checkpoints as one") {
  const Tensor one = Tensor::scalar_int32(1), two = Tensor::scalar_int32(2);
  const Checkpoint first({{"x", one}, {"a", two}});
  CHECK(first.entries()[0].name == "a");
  CHECK(first.entries()[0].file.empty());
  CHECK_THROWS_AS(Checkpoint({{"x", one}, {"x", two}}), Error);
  const Checkpoint both = Checkpoint::united({first, Checkpoint({{"x", one}, {"y", two}})});
  CHECK(both.entries().size() == 3);
  CHECK(both.tensor("x").at<int32_t>(0) == 1);
  CHECK(both.tensor("a").at<int32_t>(0) == 2);
  const Checkpoint other({{"x", two}});
  CHECK_THROWS_WITH_AS(Checkpoint::united({first, other}),
                       ": holds `x` with other values than `` does; download both again", Error);
}

}  // namespace
}  // namespace crossload
