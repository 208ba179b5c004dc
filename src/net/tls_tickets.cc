#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <cstring>
#include <ctime>

#include "base/check.h"

namespace sluice::net {
namespace {

constexpr std::size_t kNameBytes = 16;
constexpr std::size_t kHmacBytes = 32;

int KeysIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// What this thread needs again and again within an epoch.
const TicketKey& OwnKey(std::uint64_t epoch) {
  struct Known {
    std::uint64_t epoch = 0;
    bool filled = false;
    TicketKey key;
  };
  thread_local Known known[2];
  Known& slot = known[epoch % 2];
  if (!slot.filled || slot.epoch != epoch) slot = {epoch, true, ProcessTicketKey(epoch)};
  return slot.key;
}

bool Load(const TicketKey& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
          bool seal) {
  char digest[] = "SHA256";
  auto* hmac = const_cast<unsigned char*>(key.data() + kNameBytes);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac, kHmacBytes),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return false;
  const unsigned char* aes = key.data() + kNameBytes + kHmacBytes;
  return (seal ? EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, aes, iv)
               : EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, aes, iv)) == 1;
}

bool Named(const TicketKey& key, const unsigned char* name) {
  return std::memcmp(key.data(), name, kNameBytes) == 0;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good but make a new one, 0 no session.
int OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int seal) {
  const auto& keys = *static_cast<const std::vector<TicketKey>*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), KeysIndex()));
  const std::uint64_t epoch = static_cast<std::uint64_t>(std::time(nullptr)) / kTicketEpochS;
  if (seal == 1) {
    const TicketKey& key = keys.empty() ? OwnKey(epoch) : keys.front();
    std::memcpy(name, key.data(), kNameBytes);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    return Load(key, iv, cipher, mac, true) ? 1 : -1;
  }
  if (keys.empty()) {
    for (const std::uint64_t each : {epoch, epoch - 1}) {
      const TicketKey& key = OwnKey(each);
      if (Named(key, name)) return !Load(key, iv, cipher, mac, false) ? -1 : each == epoch ? 1 : 2;
    }
    return 0;
  }
  for (const TicketKey& key : keys) {
    if (!Named(key, name)) continue;
    return !Load(key, iv, cipher, mac, false) ? -1 : &key == &keys.front() ? 1 : 2;
  }
  return 0;
}

}  // namespace

TicketKey ProcessTicketKey(std::uint64_t epoch) {
  static const std::array<unsigned char, 32> secret = [] {
    std::array<unsigned char, 32> bytes;
    SLUICE_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    return bytes;
  }();
  unsigned char text[9];
  std::memcpy(text, &epoch, sizeof(epoch));
  TicketKey key;
  unsigned char block[EVP_MAX_MD_SIZE];
  for (unsigned char part = 0; part < 2; ++part) {
    text[8] = part;
    unsigned size = 0;
    const unsigned char* made = HMAC(EVP_sha512(), secret.data(), static_cast<int>(secret.size()),
                                     text, sizeof(text), block, &size);
    SLUICE_CHECK(made != nullptr && size == 64);
    std::memcpy(key.data() + 64 * part, block, part == 0 ? 64 : key.size() - 64);
  }
  return key;
}

void UseTicketKeys(ssl_ctx_st* context, const std::vector<TicketKey>& keys) {
  SSL_CTX_set_ex_data(context, KeysIndex(), const_cast<std::vector<TicketKey>*>(&keys));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &OnTicket);
}

}  // namespace sluice::net
