package dormouse.runtime;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Run once per Java, before any function: records an archive of the classes that every start loads,
 * which takes a quarter off a cold start, and half where Java came without an archive of its own.
 *
 * A runtime is started as it will be for functions, sees two events from a platform that is played
 * here, and ends; what it had loaded goes into the archive, on top of Java's own or, where there is
 * none, with Java's classes. The archive counts only if the jar has the same path later, so this
 * happens where the files are seen at `/var/runtime`, in a mount namespace of its own. Where any of
 * that is not possible there is no archive, and starts are slower and otherwise equal.
 *
 * The argument is the folder of the runtime's files.
 */
public final class Prepare {
    /** The first Java whose archives can hold other classes than its own. */
    private static final int ARCHIVES_SINCE = 11;
    /** The first Java that can record an archive on top of its own, which is five times faster. */
    private static final int LAYERED_ARCHIVES_SINCE = 13;
    private static final String ARCHIVE_FLAG = "SharedArchiveFile=";
    private static final String HOME = System.getProperty("java.home");
    private static final String JAR = "/var/runtime/dormouse-runtime.jar";
    /** Hides the machine's `/var` behind an empty one that has the runtime's files. */
    private static final String ENTER = "mount --bind \"$1\" /mnt && mount -t tmpfs tmpfs /var && mkdir /var/runtime /var/task"
            + " && mount --bind /mnt /var/runtime && cd /var/task && shift && exec \"$@\"";
    /** A function; its classes are in the jar, but not where the runtime would find them. */
    private static final String REHEARSAL = "dormouse.rehearsal.Rehearsal";
    private static final int EVENT_WAIT_MS = 30_000;

    private Prepare() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        Path folder = Paths.get(args[0]).toAbsolutePath();
        int version = javaVersion();
        Path flags = folder.resolve("flags").resolve(String.valueOf(version));
        if (version < ARCHIVES_SINCE || !Files.exists(flags)) {
            return;
        }
        unpack(folder, REHEARSAL);
        unpack(folder, REHEARSAL + "$Bean");
        String archive = "/var/runtime/java-" + version + ".jsa";
        // One of an earlier build of the same Java would be refused at each start.
        Files.deleteIfExists(folder.resolve("java-" + version + ".jsa"));
        setArchive(flags, null);
        boolean isLayered = version >= LAYERED_ARCHIVES_SINCE && Files.exists(Paths.get(HOME, "lib", "server", "classes.jsa"));
        String classes = "/var/runtime/java-" + version + ".classes";
        rehearse(folder, isLayered ? "-XX:ArchiveClassesAtExit=" + archive : "-XX:DumpLoadedClassList=" + classes, version);
        if (!isLayered) {
            int status = start(folder, Arrays.asList(
                    "-Xshare:dump", "-XX:SharedClassListFile=" + classes, "-XX:SharedArchiveFile=" + archive, "-cp", JAR), 0).waitFor();
            check(status);
        }
        if (!Files.exists(folder.resolve(Paths.get(archive).getFileName()))) {
            check(-1);
        }
        setArchive(flags, archive);
    }

    private static void rehearse(Path folder, String record, int version) throws IOException, InterruptedException {
        try (ServerSocket platform = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            List<String> arguments = Arrays.asList(
                    "-XX:Flags=/var/runtime/flags/" + version, "-XX:MaxRAM=256m", "-Dfile.encoding=UTF-8", record, "-jar", JAR);
            Process runtime = start(folder, arguments, platform.getLocalPort());
            platform.setSoTimeout(EVENT_WAIT_MS);
            try {
                play(platform);
            } catch (IOException e) {
                runtime.destroy();
                System.err.println("the rehearsal failed: " + e.getMessage());
            }
            check(runtime.waitFor());
        }
    }

    private static void check(int status) {
        if (status != 0) {
            System.err.println("no archive of classes: recording it ended with " + status);
            System.exit(1);
        }
    }

    private static int javaVersion() {
        String version = System.getProperty("java.specification.version");
        return Integer.parseInt(version.startsWith("1.") ? version.substring(2) : version);
    }

    private static void unpack(Path folder, String name) throws IOException {
        String file = "rehearsal/" + name.replace('.', '/') + ".class";
        Path target = folder.resolve(file);
        Files.createDirectories(target.getParent());
        try (InputStream in = Prepare.class.getResourceAsStream("/" + file)) {
            Files.copy(in, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static Process start(Path folder, List<String> arguments, int port) throws IOException {
        List<String> command = new ArrayList<>(Arrays.asList("unshare", "--mount"));
        if (!"root".equals(System.getProperty("user.name"))) {
            command.add("--map-root-user");
        }
        command.addAll(Arrays.asList("sh", "-c", ENTER, "sh", folder.toString(), Paths.get(HOME, "bin", "java").toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.redirectOutput(ProcessBuilder.Redirect.to(new File("/dev/null")));
        Map<String, String> environment = builder.environment();
        environment.clear();
        environment.put("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        environment.put("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:" + port);
        environment.put("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
        environment.put("LAMBDA_TASK_ROOT", "/var/runtime/rehearsal");
        environment.put("_HANDLER", REHEARSAL);
        return builder.start();
    }

    /** Answers as the Runtime API would, until the runtime hangs up. */
    private static void play(ServerSocket platform) throws IOException {
        try (Socket connection = platform.accept()) {
            connection.setSoTimeout(EVENT_WAIT_MS);
            BufferedReader in = new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8));
            OutputStream out = connection.getOutputStream();
            int events = 0;
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                int length = contentLength(in);
                if (line.startsWith("POST")) {
                    for (int i = 0; i < length; i++) {
                        in.read();
                    }
                    out.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                } else {
                    String event = events++ == 0 ? "{\"a\":{\"text\":\"t\",\"other\":[1,2.5,true,null]}}" : "{\"last\":{}}";
                    out.write(("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: rehearsal\r\nLambda-Runtime-Deadline-Ms: 0\r\n"
                            + "Lambda-Runtime-Trace-Id: Root=1\r\nContent-Length: " + event.length() + "\r\n\r\n" + event)
                                    .getBytes(StandardCharsets.US_ASCII));
                }
            }
        }
    }

    private static int contentLength(BufferedReader in) throws IOException {
        int length = 0;
        for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
            if (line.regionMatches(true, 0, "content-length:", 0, 15)) {
                length = Integer.parseInt(line.substring(15).trim());
            }
        }
        return length;
    }

    /** Names the archive in the flags, or none. */
    private static void setArchive(Path flags, String archive) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String line : Files.readAllLines(flags, StandardCharsets.US_ASCII)) {
            if (!line.startsWith(ARCHIVE_FLAG)) {
                lines.add(line);
            }
        }
        if (archive != null) {
            lines.add(ARCHIVE_FLAG + archive);
        }
        Files.write(flags, lines, StandardCharsets.US_ASCII);
    }
}
