#include "common/rpc/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace mansio::rpc {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class CertificateTest : public ::testing::Test {
 protected:
  CertificateTest() { fs::create_directories(dir_); }
  ~CertificateTest() override { fs::remove_all(dir_); }

  std::string Write(const std::string& name, const std::string& text) {
    const fs::path file = dir_ / name;
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  static void ExpectRefused(const absl::StatusOr<Certificate>& result, const std::string& file,
                            const std::string& why) {
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("'" + file + "'"));
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(why));
  }

  const fs::path dir_ = fs::path(::testing::TempDir()) /
                        ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

std::shared_ptr<X509> Parse(const std::string& pem) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* const certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return {certificate, X509_free};
}

TEST_F(CertificateTest, MakesOneForTheNamesAndKeepsIt) {
  const fs::path kept = dir_ / "new" / "tls";
  const auto made = SelfSignedCertificate(kept, {"10.1.2.3", "2001:db8::1", "broker-1"});
  ASSERT_TRUE(made.ok()) << made.status();
  const auto certificate = Parse(made->chain);
  ASSERT_NE(certificate, nullptr);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(certificate.get())), 256);
  for (const char* host : {"localhost", "broker-1"}) {
    EXPECT_EQ(X509_check_host(certificate.get(), host, 0, 0, nullptr), 1) << host;
  }
  for (const char* ip : {"127.0.0.1", "::1", "10.1.2.3", "2001:db8::1"}) {
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), ip, 0), 1) << ip;
  }
  EXPECT_EQ(X509_check_host(certificate.get(), "other", 0, 0, nullptr), 0);

  struct stat key {};
  ASSERT_EQ(stat((kept / "server.key").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);

  const auto again = SelfSignedCertificate(kept, {"10.9.9.9"});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->chain, made->chain);
  EXPECT_EQ(again->private_key, made->private_key);
}

TEST_F(CertificateTest, MakesANewOneEachTimeWithoutADirectory) {
  const auto first = SelfSignedCertificate("", {});
  const auto second = SelfSignedCertificate("", {});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->chain, second->chain);
}

TEST_F(CertificateTest, NamesTheFileAndTheCureWhenOneIsDamaged) {
  const auto made = SelfSignedCertificate(dir_, {});
  ASSERT_TRUE(made.ok());
  Write("server.key", made->private_key.substr(0, 40));
  ExpectRefused(SelfSignedCertificate(dir_, {}), dir_ / "server.key", "remove server.crt");
}

TEST_F(CertificateTest, MakesANewPairWhenOneFileIsMissing) {
  ASSERT_TRUE(SelfSignedCertificate(dir_, {}).ok());
  fs::remove(dir_ / "server.crt");
  EXPECT_TRUE(SelfSignedCertificate(dir_, {}).ok());
  EXPECT_TRUE(LoadCertificate(dir_ / "server.crt", dir_ / "server.key").ok());
}

TEST_F(CertificateTest, SaysWhyADirectoryCannotBeUsed) {
  const std::string file = Write("file", "");
  ExpectRefused(SelfSignedCertificate(file, {}), file + "/server.key.new",
                "configure a certificate");
}

TEST_F(CertificateTest, ChecksConfiguredFiles) {
  const auto one = SelfSignedCertificate("", {});
  const auto other = SelfSignedCertificate("", {});
  ASSERT_TRUE(one.ok() && other.ok());
  const std::string chain = Write("a.crt", one->chain);
  const std::string key = Write("a.key", one->private_key);
  const std::string wrong_key = Write("b.key", other->private_key);
  const std::string garbage = Write("garbage", "-----BEGIN CERTIFICATE-----\nxx\n");
  EXPECT_TRUE(LoadCertificate(chain, key).ok());
  ExpectRefused(LoadCertificate(chain, wrong_key), wrong_key, "is not the key of the certificate");
  ExpectRefused(LoadCertificate(garbage, key), garbage, "holds no certificate");
  ExpectRefused(LoadCertificate(chain, garbage), garbage, "holds no private key");
  ExpectRefused(LoadCertificate(dir_ / "absent", key), dir_ / "absent", "No such file");
}

TEST_F(CertificateTest, RefusesAnExpiredOne) {
  // Valid from 1970 to 1971; signed anew, so that nothing but its time is wrong.
  const auto made = SelfSignedCertificate("", {});
  ASSERT_TRUE(made.ok());
  const auto certificate = Parse(made->chain);
  BIO* bio = BIO_new_mem_buf(made->private_key.data(), static_cast<int>(made->private_key.size()));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), 0);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), 365 * 24 * 3600);
  ASSERT_GT(X509_sign(certificate.get(), key, EVP_sha256()), 0);
  EVP_PKEY_free(key);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  const std::string chain = Write("old.crt", std::string(text, static_cast<size_t>(size)));
  BIO_free(bio);
  ExpectRefused(LoadCertificate(chain, Write("old.key", made->private_key)), chain, "has expired");
}

}  // namespace
}  // namespace mansio::rpc
