#include "common/rpc/certificate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <system_error>

namespace mansio::rpc {
namespace {

namespace fs = std::filesystem;

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free>>;

absl::Status CannotUse(const std::string& file, std::string_view why) {
  return absl::FailedPreconditionError(fmt::format("cannot use '{}' for TLS: {}", file, why));
}

absl::StatusOr<std::string> ReadFile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return CannotUse(file, fmt::format("{}; check the path and its permissions", strerror(errno)));
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

X509Ptr ParseCertificate(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

KeyPtr ParseKey(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // An empty pass phrase instead of a question on the terminal.
  char no_pass_phrase[] = "";
  return KeyPtr(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, no_pass_phrase));
}

// The PEM text that `write` puts into a memory BIO.
template <typename Write>
std::string ToPem(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (write(bio.get()) != 1) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// The value of a subjectAltName extension (RFC 5280, 4.2.1.6).
std::string AlternativeNames(const std::vector<std::string>& hosts) {
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& host : hosts) {
    in6_addr address;
    const bool is_ip = inet_pton(AF_INET, host.c_str(), &address) == 1 ||
                       inet_pton(AF_INET6, host.c_str(), &address) == 1;
    names += fmt::format(",{}:{}", is_ip ? "IP" : "DNS", host);
  }
  return names;
}

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// A positive random serial number of 63 bits.
bool SetSerialNumber(X509* certificate) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) | 1) == 1;
}

absl::StatusOr<Certificate> Generate(const std::vector<std::string>& hosts) {
  constexpr long kSecondsADay = 24 * 60 * 60;
  constexpr long kDays = 3650;
  const auto failed = [] { return absl::InternalError("OpenSSL could not make a certificate"); };
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  if (key == nullptr || certificate == nullptr) return failed();
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kSecondsADay);  // clients' clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDays * kSecondsADay);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("Mansio self-signed"), -1, -1,
                             0);
  X509_set_issuer_name(certificate.get(), name);
  if (!SetSerialNumber(certificate.get()) ||
      !AddExtension(certificate.get(), NID_subject_alt_name, AlternativeNames(hosts)) ||
      !AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE") ||
      X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
    return failed();
  }
  Certificate result;
  result.chain = ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  result.private_key = ToPem([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (result.chain.empty() || result.private_key.empty()) return failed();
  return result;
}

// Writes a new file, synced, under a temporary name first so that a half-written one is never used.
absl::Status WriteDurably(const fs::path& file, const std::string& text, mode_t mode) {
  const std::string temporary = file.string() + ".new";
  const auto failed = [&](const char* what) {
    return absl::UnavailableError(
        fmt::format("cannot {} '{}': {}; a self-signed certificate is kept "
                    "there, so make the directory writable or configure a "
                    "certificate",
                    what, temporary, strerror(errno)));
  };
  unlink(temporary.c_str());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return failed("create");
  const bool written =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  close(fd);
  if (!written) return failed("write");
  if (rename(temporary.c_str(), file.c_str()) != 0) return failed("rename");
  const int dir = open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = dir >= 0 && fsync(dir) == 0;
  if (dir >= 0) close(dir);
  return synced ? absl::OkStatus() : failed("sync the directory of");
}

}  // namespace

absl::StatusOr<Certificate> LoadCertificate(const std::string& chain_file,
                                            const std::string& key_file) {
  absl::StatusOr<std::string> chain = ReadFile(chain_file);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::string> key_text = ReadFile(key_file);
  if (!key_text.ok()) return key_text.status();

  const X509Ptr certificate = ParseCertificate(*chain);
  if (certificate == nullptr) {
    return CannotUse(chain_file, "it holds no certificate in PEM form");
  }
  const KeyPtr key = ParseKey(*key_text);
  if (key == nullptr) {
    return CannotUse(key_file, "it holds no private key in PEM form without a pass phrase");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return CannotUse(key_file,
                     fmt::format("it is not the key of the certificate in '{}'", chain_file));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return CannotUse(chain_file, "the certificate has expired; renew it");
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0) {
    return CannotUse(chain_file, "the certificate is not valid yet; check the machine's clock");
  }
  return Certificate{*std::move(chain), *std::move(key_text)};
}

absl::StatusOr<Certificate> SelfSignedCertificate(const std::string& dir,
                                                  const std::vector<std::string>& hosts) {
  if (dir.empty()) return Generate(hosts);
  const fs::path chain_file = fs::path(dir) / "server.crt";
  const fs::path key_file = fs::path(dir) / "server.key";
  std::error_code error;
  if (fs::exists(chain_file, error) && fs::exists(key_file, error)) {
    absl::StatusOr<Certificate> kept = LoadCertificate(chain_file, key_file);
    if (kept.ok()) return kept;
    return absl::FailedPreconditionError(
        fmt::format("{}; remove server.crt and server.key from '{}', and a new self-signed "
                    "certificate is made",
                    std::string(kept.status().message()), dir));
  }
  fs::create_directories(dir, error);  // a failure shows when the first file is written
  absl::StatusOr<Certificate> made = Generate(hosts);
  if (!made.ok()) return made.status();
  // The key first: a certificate without a key would be refused at the next start.
  if (absl::Status status = WriteDurably(key_file, made->private_key, 0600); !status.ok()) {
    return status;
  }
  if (absl::Status status = WriteDurably(chain_file, made->chain, 0644); !status.ok()) {
    return status;
  }
  return made;
}

}  // namespace mansio::rpc
