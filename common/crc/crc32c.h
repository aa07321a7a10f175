#ifndef MANSIO_COMMON_CRC_CRC32C_H_
#define MANSIO_COMMON_CRC_CRC32C_H_

// CRC32C (Castagnoli, RFC 3720 appendix B.4), the checksum of log frames. Pure, thread safe.

#include <cstdint>
#include <string_view>

namespace mansio {

// The checksum of `data`; 0 for no data.
uint32_t Crc32c(std::string_view data);

// The checksum of A followed by `data`, where `crc` is the checksum of A.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view data);

namespace crc_internal {
// The form without the CPU's instruction, which tests hold against the other.
uint32_t ExtendPortable(uint32_t crc, std::string_view data);
}  // namespace crc_internal

}  // namespace mansio

#endif  // MANSIO_COMMON_CRC_CRC32C_H_
