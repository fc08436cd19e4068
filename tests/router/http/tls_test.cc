#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>

#include "router/http/http_server.h"
#include "tests/support/http_client.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

namespace net = boost::asio;
namespace ssl = boost::asio::ssl;
using sain::testing::get;
using sain::testing::post;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Writes a certificate for localhost that signs itself, and its key.
void make_certificate(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_set_pubkey(certificate.get(), key.get());
  ASSERT_NE(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const auto write = [](const std::filesystem::path& path, auto&& content) {
    const std::unique_ptr<FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "w"), std::fclose);
    ASSERT_EQ(content(file.get()), 1);
  };
  write(certificate_file, [&](FILE* file) { return PEM_write_X509(file, certificate.get()); });
  write(key_file,
        [&](FILE* file) { return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

/// A connection that trusts the server's certificate and no other.
class TlsClient {
 public:
  TlsClient(uint16_t port, const std::filesystem::path& certificate) {
    context_.load_verify_file(certificate.string());
    stream_.set_verify_mode(ssl::verify_peer);
    stream_.next_layer().connect({net::ip::address_v4::loopback(), port});
    stream_.handshake(ssl::stream_base::client);
  }

  void send(const std::string& bytes) { net::write(stream_, net::buffer(bytes)); }
  std::string receive_until(std::string_view end) {
    std::string received;
    while (!received.ends_with(end)) {
      char byte;
      net::read(stream_, net::buffer(&byte, 1));
      received += byte;
    }
    return received;
  }
  /// Until the connection ends, which error() says how.
  std::string receive_all() {
    std::string received;
    net::read(stream_, net::dynamic_buffer(received), error_);
    return received;
  }
  boost::system::error_code error() const { return error_; }

 private:
  net::io_context io_;
  ssl::context context_{ssl::context::tls_client};
  ssl::stream<net::ip::tcp::socket> stream_{io_, context_};
  boost::system::error_code error_;
};

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_certificate(certificate_, key_);
    auto server = HttpServer::start(options_, [this](const HttpRequest& request, ResponseWriter& writer) {
      if (request.path != "/endless")
        return writer.send({.content_type = "text/plain", .body = request.method + " " + request.body});
      writer.begin({.content_type = "text/plain", .body = "begun"});
      std::promise<void> left;
      const std::stop_callback on_left(writer.left(), [&] { left.set_value(); });
      left.get_future().wait();
      has_left_.set_value();
    });
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path certificate_ = folder_ / "certificate.pem", key_ = folder_ / "key.pem";
  HttpServerOptions options_ = {.tls_certificate = certificate_, .tls_key = key_};
  std::promise<void> has_left_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(TlsTest, AnswersOneRequestAfterTheOther) {
  TlsClient client(server_->port(), certificate_);
  for (const std::string& body : {std::string(1 << 20, 'x') + "first", std::string("second")}) {
    client.send(post("/", body));
    EXPECT_THAT(client.receive_until(body.substr(body.size() - 5)), HasSubstr("\r\n\r\nPOST " + body));
  }
}

TEST_F(TlsTest, AnAnswerThatEndsItsConnectionIsNotCut) {
  TlsClient client(server_->port(), certificate_);
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.receive_all(), EndsWith("\r\n\r\nGET "));
  EXPECT_EQ(client.error(), net::error::eof) << client.error().message();  // not ssl::error::stream_truncated
}

TEST_F(TlsTest, AClientThatLeavesStopsItsAnswer) {
  {
    TlsClient client(server_->port(), certificate_);
    client.send(get("/endless"));
    client.receive_until("begun\r\n");
  }
  has_left_.get_future().wait();
}

TEST_F(TlsTest, WhoSpeaksNoTlsGetsNothing) {
  testing::HttpClient client(server_->port());
  client.send(get("/"));
  EXPECT_THAT(client.receive_all(), IsEmpty());
  TlsClient another(server_->port(), certificate_);
  another.send(get("/"));
  EXPECT_THAT(another.receive_until("GET "), HasSubstr("200 OK"));
}

TEST_F(TlsTest, FilesThatDoNotServeAreNamed) {
  const auto error = [&](const std::filesystem::path& certificate, const std::filesystem::path& key) {
    const auto server =
        HttpServer::start({.tls_certificate = certificate, .tls_key = key}, [](const HttpRequest&, ResponseWriter&) {});
    return server ? "" : server.error().message;
  };
  EXPECT_THAT(error(folder_ / "none.pem", key_), HasSubstr("none.pem: cannot be read"));
  std::ofstream(folder_ / "text.pem") << "certificate";
  EXPECT_THAT(error(folder_ / "text.pem", key_), HasSubstr("text.pem: expected a certificate in PEM"));
  make_certificate(folder_ / "other.pem", folder_ / "other_key.pem");
  EXPECT_THAT(error(certificate_, folder_ / "other_key.pem"), HasSubstr("other_key.pem: expected the key of "));
}

}  // namespace
}  // namespace sain::router
