// <prefix>.data-00000-of-00001: the tensors' bytes without gaps, little-endian, row-major. A string is
//   varint32   its length
//   fixed32    masked crc32c of the length as fixed32
//   bytes
// <prefix>.index: a LevelDB table of protobuf messages, keys in the order of their bytes:
//   ""         BundleHeaderProto: one shard, little-endian, producer 1
//   <key>      BundleEntryProto: dtype, shape, offset and size in the data file, masked crc32c of the bytes (for a
//              string of its length as fixed32, that length's checksum as it is stored, its bytes)
#include "savedmodel/tensor_bundle.h"

#include <leveldb/env.h>
#include <leveldb/table_builder.h>

#include <map>
#include <memory>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/output_file.h"
#include "savedmodel/messages.h"
#include "savedmodel/tensor_bundle.pb.h"

namespace crossload::savedmodel {
namespace {

namespace fs = std::filesystem;

std::string fixed32(uint32_t value) {
  std::string bytes(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string varint32(uint32_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
  return bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The entry of a string and its bytes in the data file.
std::pair<tf::BundleEntryProto, std::string> encode_string(const std::string& value, std::size_t offset) {
  const auto length = static_cast<uint32_t>(value.size());
  const std::string checksum = fixed32(mask_crc32c(crc32c(bytes_of(fixed32(length)))));
  std::string bytes = varint32(length) + checksum + value;
  tf::BundleEntryProto entry;
  entry.set_dtype(tf::DT_STRING);
  entry.mutable_shape();
  entry.set_offset(static_cast<int64_t>(offset));
  entry.set_size(static_cast<int64_t>(bytes.size()));
  entry.set_crc32c(mask_crc32c(crc32c_extend(crc32c(bytes_of(fixed32(length) + checksum)), bytes_of(value))));
  return {std::move(entry), std::move(bytes)};
}

void write_index(const fs::path& path, const std::map<std::string, std::string>& entries) {
  const auto check = [&](const leveldb::Status& status) {
    if (!status.ok()) {
      fail(ErrorKind::kEnvironment, "{}: cannot be written: {}; check the disk", path.string(), status.ToString());
    }
  };
  leveldb::WritableFile* opened = nullptr;
  check(leveldb::Env::Default()->NewWritableFile(path.string(), &opened));
  const std::unique_ptr<leveldb::WritableFile> file(opened);
  leveldb::Options options;
  options.compression = leveldb::kNoCompression;
  leveldb::TableBuilder table(options, file.get());
  for (const auto& [key, value] : entries) table.Add(key, value);
  check(table.Finish());
  check(file->Close());
}

}  // namespace

std::size_t write_tensor_bundle(const fs::path& prefix, std::vector<BundleTensor> tensors,
                                const std::vector<BundleString>& strings, const WriteProgress& progress) {
  std::vector<tf::BundleEntryProto> described;
  std::vector<PlacedTensor> placed;
  std::size_t end = 0;
  for (BundleTensor& tensor : tensors) {
    const StridedTensor stored = StridedTensor(tensor.source).permuted(tensor.perm);
    const auto size = static_cast<std::size_t>(stored.count()) * size_of(stored.dtype());
    tf::BundleEntryProto& entry = described.emplace_back();
    entry.set_dtype(to_tf(stored.dtype()));
    *entry.mutable_shape() = to_tf(stored.dims());
    entry.set_offset(static_cast<int64_t>(end));
    entry.set_size(static_cast<int64_t>(size));
    placed.push_back({end, stored.dtype(), stored.count(), [stored] { return stored; }});
    end += size;
    tensor.source = Tensor();
  }

  std::map<std::string, std::string> entries;
  std::string string_bytes;
  for (const BundleString& string : strings) {
    auto [entry, bytes] = encode_string(string.value, end + string_bytes.size());
    string_bytes += bytes;
    entries[string.key] = entry.SerializeAsString();
  }

  OutputFile data(prefix.string() + ".data-00000-of-00001");
  data.reserve(end + string_bytes.size());
  data.write_at(end, bytes_of(string_bytes));
  const std::vector<uint32_t> checksums = write_tensors(data, std::move(placed), Checksums::kCrc32c, progress);
  data.close();

  for (std::size_t i = 0; i < described.size(); ++i) {
    described[i].set_crc32c(mask_crc32c(checksums[i]));
    entries[tensors[i].key] = described[i].SerializeAsString();
  }
  tf::BundleHeaderProto header;
  header.set_num_shards(1);
  header.mutable_version()->set_producer(1);
  entries[""] = header.SerializeAsString();
  write_index(prefix.string() + ".index", entries);
  return end;
}

}  // namespace crossload::savedmodel
