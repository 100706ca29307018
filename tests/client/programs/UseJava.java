/** With the Java client of openapi-generator: java UseJava URL PICTURE SMALL */

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import pixelrnn.ApiClient;
import pixelrnn.ApiException;
import pixelrnn.api.DrawApi;
import pixelrnn.api.JobsApi;
import pixelrnn.api.ModelsApi;
import pixelrnn.model.EventData;
import pixelrnn.model.Job;
import pixelrnn.model.JobEvent;
import pixelrnn.model.Model;
import pixelrnn.model.RowEvent;
import pixelrnn.model.SampleRequest;

class UseJava {
  static JobsApi jobs;

  static Job ended(Job job) throws ApiException {
    return jobs.getJob(job.getId(), BigDecimal.valueOf(30), null);
  }

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    File picture = new File(arguments[1]);
    File small = new File(arguments[2]);
    DrawApi draw = new DrawApi(client);
    jobs = new JobsApi(client);

    List<Model> models = new ModelsApi(client).listModels().getModels();
    System.out.println("models: " + models.stream().map(Model::getName).collect(Collectors.joining(" ")));
    SampleRequest request = new SampleRequest().model("tiny-rgb").n(2).seed((1L << 53) - 1);
    Job sampled = ended(draw.createSample(request, null, null));
    int images = sampled.getResult().getJobResult().getImages().size();
    System.out.println("sample: " + sampled.getStatus() + " " + sampled.getSeed() + " " + images);

    String id = sampled.getId();
    File png = jobs.getImage(id, 1, 2, null, null, null, null, null);
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(png.toPath()));
    System.out.println("picture: " + HexFormat.of().formatHex(digest));

    ObjectMapper json = client.getObjectMapper();
    List<Object> events = new ArrayList<>();
    for (String line : Files.readAllLines(jobs.streamEvents(id, null, null).toPath()))
      if (line.startsWith("data: ")) events.add(json.readValue(line.substring(6), EventData.class).getActualInstance());
    JobEvent first = (JobEvent) events.get(0);
    JobEvent last = (JobEvent) events.get(events.size() - 1);
    long rows = events.stream().filter(RowEvent.class::isInstance).count();
    System.out.println("events: " + first.getType() + " " + rows + " " + last.getType());

    Job filled = ended(draw.createCompletion(
        List.of(picture), "tiny-cnn", null, null, List.of(picture),
        null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null));
    System.out.println("complete: " + filled.getFilledPixels());
    Job larger = ended(draw.createUpsampling(
        small, "tiny-scales", null, null, 2, null, null, null, null, null, null, null, null, null, null));
    System.out.println("upsample: " + larger.getRowsDone());
    Job scored = ended(draw.createScore(
        List.of(picture), "tiny-cnn", null, null, null, null, null, null, null, null, null, null, null, null, null));
    System.out.printf("score: %.3f%n", scored.getResult().getScoreResult().getNats());

    Job drawn = draw.createSample(new SampleRequest().model("tiny-diagonal").n(64), null, null);
    jobs.cancelJob(drawn.getId());
    System.out.println("cancel: " + ended(drawn).getStatus());
    System.out.println("delete: " + jobs.deleteJobWithHttpInfo(drawn.getId()).getStatusCode());

    Job trained = new ModelsApi(client).createTraining(
        List.of(picture, picture), "by-java", null, null, BigDecimal.valueOf(5), null, null, null, null, true, null,
        null, null, null, null);
    int refusal = 0;
    try {
      jobs.finishJob(trained.getId());
    } catch (ApiException problem) {
      refusal = problem.getCode();
    }
    jobs.cancelJob(trained.getId());
    System.out.println("train: " + trained.getKind() + " " + refusal + " " + ended(trained).getStatus());
  }
}
