// HDF5 as its first version lays it out (superblock 0), which h5py writes unless it is told otherwise, and Keras with
// it. The whole format: https://docs.hdfgroup.org/hdf5/develop/_f_m_t3.html; here is what weights need. Little-endian;
// an address is a u64 offset in the file, all ones where there is nothing.
//
//   superblock    at 0: signature; versions; size of addresses and lengths (8, 8); K of symbol table nodes (u16) and of
//                 B-tree nodes (u16); flags; addresses: base (0), free space, end of file, driver; root's entry
//   entry         40 bytes: offset of the name in the heap, address of the object, kind (0 or 1: hard link; 2: soft
//                 link), reserved, 16 bytes of scratch
//   object        version 1, 0, count of messages (u16), references (u32), size of messages (u32), 4 bytes; messages
//   message       type (u16), size (u16), flags (u8), 3 bytes, body; sizes are multiples of 8
//   group         an object with a message that gives the addresses of a B-tree and a heap
//   B-tree node   `TREE`, 0, level, count (u16), left, right, then key, child, …, key; 2 K children at most.
//                 Keys are offsets in the heap; children of level 0 are symbol table nodes
//   symbol table  `SNOD`, 1, 0, count (u16), entries; 2 K at most, sorted by name
//   heap          `HEAP`, 0, 3 bytes, size, first free block, address of the data: names that end with a zero byte
//   global heap   `GCOL`, 1, 3 bytes, size; objects: index (u16), references (u16), 4 bytes, size, data, multiple of 8
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crossload::hdf5 {

using Address = uint64_t;

inline constexpr std::string_view kSignature("\x89HDF\r\n\x1a\n", 8);
inline constexpr Address kUndefined = ~Address{0};

inline constexpr std::size_t kSuperblockSize = 96;
inline constexpr std::size_t kEntrySize = 40;
inline constexpr std::size_t kObjectHeaderSize = 16;
inline constexpr std::size_t kMessageHeaderSize = 8;
inline constexpr std::size_t kTreeHeaderSize = 24;
inline constexpr std::size_t kSymbolsHeaderSize = 8;
inline constexpr std::size_t kHeapHeaderSize = 32;
inline constexpr std::size_t kCollectionHeaderSize = 16;

enum Message : uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kFillValue = 0x05,
  kLink = 0x06,
  kExternalFiles = 0x07,
  kLayout = 0x08,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

enum Class : uint8_t {
  kFixedPoint = 0,
  kFloatingPoint = 1,
  kString = 3,
  kOpaque = 5,
  kEnumeration = 8,
  kVariableLength = 9
};

/// Where the parts of a floating-point number lie, in bits.
struct FloatFormat {
  uint16_t precision;
  uint8_t exponent_at, exponent_size, mantissa_size;
  uint32_t bias;
};
inline constexpr FloatFormat kFloat16Format{16, 10, 5, 10, 15};
inline constexpr FloatFormat kBFloat16Format{16, 7, 8, 7, 127};
inline constexpr FloatFormat kFloat32Format{32, 23, 8, 23, 127};
inline constexpr FloatFormat kFloat64Format{64, 52, 11, 52, 1023};

}  // namespace crossload::hdf5
