import java.util.StringJoiner;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Token;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.serialization.UdpDataParser;
import org.eclipse.californium.core.network.serialization.UdpDataSerializer;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.ObjectSecurityLayer;
import java.net.InetSocketAddress;

/**
 * Californium beside us in npm run bench. "serve" answers GET /hello on a free port, which it prints, until its
 * standard input ends; "codec" and "oscore" time themselves and print lines of JSON with microseconds per call.
 */
public class CaliforniumPeer {
  static final byte[] SECRET = bytes("0102030405060708090a0b0c0d0e0f10");
  static final byte[] SALT = bytes("9e7ca92223786340");
  static final byte[] CLIENT = new byte[0];
  static final byte[] SERVER = {1};

  interface Work {
    void run(int call) throws Exception;
  }

  public static void main(String[] args) throws Exception {
    CoapConfig.register();
    UdpConfig.register();
    int repetitions = args.length > 1 ? Integer.parseInt(args[1]) : 201;
    switch (args[0]) {
      case "serve" -> serve();
      case "codec" -> codec(repetitions);
      case "oscore" -> oscore(repetitions);
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0);
  }

  static void serve() throws Exception {
    CoapServer server = new CoapServer(Configuration.createStandardWithoutFile());
    CoapEndpoint endpoint =
        CoapEndpoint.builder()
            .setConfiguration(Configuration.createStandardWithoutFile())
            .setInetSocketAddress(new InetSocketAddress("127.0.0.1", 0))
            .build();
    server.addEndpoint(endpoint);
    server.add(
        new CoapResource("hello") {
          @Override
          public void handleGET(CoapExchange exchange) {
            exchange.respond(CoAP.ResponseCode.CONTENT, "Hello World!");
          }
        });
    server.start();
    System.out.println("{\"port\":" + endpoint.getAddress().getPort() + "}");
    while (System.in.read() >= 0) {}
  }

  static Request request() {
    Request request = Request.newPost();
    request.setType(CoAP.Type.CON);
    request.setMID(1);
    request.setToken(new Token(new byte[] {1}));
    request.setPayload(new byte[10]);
    return request;
  }

  static void codec(int repetitions) throws Exception {
    UdpDataSerializer serializer = new UdpDataSerializer();
    UdpDataParser parser = new UdpDataParser();
    Request get = Request.newGet();
    get.setType(CoAP.Type.CON);
    get.setMID(0x1234);
    get.setToken(new Token(new byte[] {1, 2}));
    get.getOptions().addUriPath("sensors").addUriPath("temperature").addUriQuery("unit=celsius").setAccept(60);
    byte[] wire = serializer.getByteArray(get);
    time("encode a GET with five options", repetitions, call -> serializer.getByteArray(get));
    time("decode a GET with five options", repetitions, call -> parser.parseMessage(wire));
  }

  static void oscore(int repetitions) throws Exception {
    HashMapCtxDB client = new HashMapCtxDB();
    OSCoreCtx sender = context(true);
    client.addContext("coap://127.0.0.1", sender);
    time(
        "protect a request of 10 B",
        repetitions,
        call -> {
          Request request = request();
          request.setURI("coap://127.0.0.1");
          request.getOptions().setOscore(new byte[0]);
          ObjectSecurityLayer.prepareSend(client, request);
        });

    // Every message once, as the replay window wants it: protected before the clock starts.
    int calls = 100;
    HashMapCtxDB server = new HashMapCtxDB();
    OSCoreCtx recipient = context(false);
    server.addContext(recipient);
    OSCoreCtx fresh = context(true);
    HashMapCtxDB other = new HashMapCtxDB();
    other.addContext("coap://127.0.0.1", fresh);
    double[] times = new double[repetitions];
    for (int repetition = -repetitions; repetition < repetitions; repetition++) {
      Request[] messages = new Request[calls];
      for (int i = 0; i < calls; i++) {
        Request request = request();
        request.setURI("coap://127.0.0.1");
        request.getOptions().setOscore(new byte[0]);
        messages[i] = ObjectSecurityLayer.prepareSend(other, request);
      }
      long start = System.nanoTime();
      for (Request message : messages) ObjectSecurityLayer.prepareReceive(server, message, recipient);
      if (repetition >= 0) times[repetition] = (System.nanoTime() - start) / 1000.0 / calls;
    }
    print("unprotect a request of 10 B", times);
  }

  static OSCoreCtx context(boolean client) throws Exception {
    byte[] self = client ? CLIENT : SERVER;
    byte[] peer = client ? SERVER : CLIENT;
    return new OSCoreCtx(
        SECRET, client, AlgorithmID.AES_CCM_16_64_128, self, peer, AlgorithmID.HKDF_HMAC_SHA_256, 32, SALT, null, 4096);
  }

  static void time(String name, int repetitions, Work work) throws Exception {
    int calls = 100;
    for (int call = 0; call < 100 * calls; call++) work.run(call);
    double[] times = new double[repetitions];
    for (int repetition = 0; repetition < repetitions; repetition++) {
      long start = System.nanoTime();
      for (int call = 0; call < calls; call++) work.run(call);
      times[repetition] = (System.nanoTime() - start) / 1000.0 / calls;
    }
    print(name, times);
  }

  static void print(String name, double[] times) {
    StringJoiner values = new StringJoiner(",", "[", "]");
    for (double time : times) values.add(Double.toString(time));
    System.out.println("{\"name\":\"" + name + "\",\"values\":" + values + "}");
  }

  static byte[] bytes(String hex) {
    byte[] out = new byte[hex.length() / 2];
    for (int i = 0; i < out.length; i++) out[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
    return out;
  }
}
