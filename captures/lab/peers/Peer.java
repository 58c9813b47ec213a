import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.time.Duration;
import javax.net.ssl.*;

/** Java ends of the laboratory: java Peer MODE CA URL [TLS version] [timeout in ms]. */
public class Peer {
    static SSLContext context(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(Path.of(ca))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext made = SSLContext.getInstance("TLS");
        made.init(null, trust.getTrustManagers(), null);
        return made;
    }

    public static void main(String[] args) throws Exception {
        SSLContext context = context(args[1]);
        URI uri = URI.create(args[2]);
        int port = uri.getPort() < 0 ? 443 : uri.getPort();
        int timeout = args.length > 4 ? Integer.parseInt(args[4]) : 20000;
        String[] versions = args.length > 3 && args[3].startsWith("TLS") ? new String[] {args[3]} : null;
        try {
            if (args[0].equals("socket")) {
                Socket plain = new Socket();
                plain.connect(new InetSocketAddress(uri.getHost(), port), timeout);
                plain.setSoTimeout(timeout);
                SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, uri.getHost(), port, true);
                if (versions != null) socket.setEnabledProtocols(versions);
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                try {
                    socket.startHandshake();
                    socket.getOutputStream().write(("GET " + uri.getPath() + " HTTP/1.1\r\nHost: " + uri.getHost() + "\r\n\r\n").getBytes());
                    byte[] buffer = new byte[65536];
                    int n = socket.getInputStream().read(buffer);
                    System.out.println("read " + n);
                } finally {
                    socket.close();
                }
            } else if (args[0].equals("httpclient")) {
                SSLParameters parameters = new SSLParameters();
                if (versions != null) parameters.setProtocols(versions);
                HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(context).sslParameters(parameters).connectTimeout(Duration.ofMillis(timeout)).build();
                HttpResponse<byte[]> got = client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofByteArray());
                System.out.println("status " + got.statusCode() + " bytes " + got.body().length);
            } else {
                HttpsURLConnection.setDefaultSSLSocketFactory(context.getSocketFactory());
                HttpsURLConnection connection = (HttpsURLConnection) uri.toURL().openConnection();
                connection.setConnectTimeout(timeout);
                connection.setReadTimeout(timeout);
                System.out.println("status " + connection.getResponseCode() + " bytes " + connection.getInputStream().readAllBytes().length);
            }
        } catch (Exception e) {
            System.out.println(e + (e.getCause() != null ? " / " + e.getCause() : ""));
        }
        System.exit(0);
    }
}
